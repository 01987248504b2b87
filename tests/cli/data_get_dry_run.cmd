SEQLAB_DATA=data $SEQLAB data get cifar10 --dry-run
