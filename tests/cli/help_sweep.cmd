$SEQLAB sweep --help
