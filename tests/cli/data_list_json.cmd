SEQLAB_DATA=$T $SEQLAB data list --json cifar10
