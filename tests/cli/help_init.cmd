$SEQLAB init --help
