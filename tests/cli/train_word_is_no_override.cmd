$SEQLAB train tests/cli/small.yaml seed
