SEQLAB_DATA=$T $SEQLAB data list --json cifar10 | python3 -c "import json, sys; print(json.load(sys.stdin)[0][\"state\"])"
