SEQLAB_DATA=$T $SEQLAB train tests/cli/cifar.yaml
