SEQLAB_DATA=tests/cli/none $SEQLAB train tests/cli/cifar.yaml
