$SEQLAB train tests/cli/mistakes.yaml
