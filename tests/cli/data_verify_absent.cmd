SEQLAB_DATA=$T $SEQLAB data verify cifar10
