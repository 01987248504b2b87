$SEQLAB data --help
