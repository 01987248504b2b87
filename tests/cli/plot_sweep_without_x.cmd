$SEQLAB plot tests/cli/small.yaml --kind sweep
