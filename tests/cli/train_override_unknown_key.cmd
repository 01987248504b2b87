$SEQLAB train tests/cli/small.yaml model.hiden=3
