$SEQLAB train tests/cli/small.yaml train.steps.x=1
