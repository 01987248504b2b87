$SEQLAB train tests/cli/prune.yaml
