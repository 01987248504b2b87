$SEQLAB list --help
