SEQLAB_DATA=$T $SEQLAB data list cifar10
