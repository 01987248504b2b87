$SEQLAB train tests/cli/small.yaml extends=cifar.yaml --results=$T
