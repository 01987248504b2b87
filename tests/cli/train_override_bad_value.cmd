$SEQLAB train tests/cli/small.yaml train.seed=three
