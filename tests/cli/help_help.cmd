$SEQLAB help --help
