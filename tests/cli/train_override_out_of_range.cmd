$SEQLAB train tests/cli/small.yaml optimizer.lr=-1
