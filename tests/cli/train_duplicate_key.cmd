$SEQLAB train tests/cli/duplicate.yaml
