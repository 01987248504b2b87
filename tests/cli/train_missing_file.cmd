$SEQLAB train tests/cli/none.yaml
