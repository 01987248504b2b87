SEQLAB_DATA=tests/cli/none $SEQLAB data verify cifar10
