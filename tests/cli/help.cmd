$SEQLAB --help
