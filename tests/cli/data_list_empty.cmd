SEQLAB_DATA=$T $SEQLAB data list mnist cifar10 | cut -c1-36
