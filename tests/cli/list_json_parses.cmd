$SEQLAB list --json | python3 -c "import json, sys; print(len({c[\"kind\"] for c in json.load(sys.stdin)}))"
