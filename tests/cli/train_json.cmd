cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q --json small.yaml | python3 -c "import json, sys; d = json.load(sys.stdin); print(d[\"folder\"], d[\"status\"], sorted(d[\"metrics\"]))"
