$SEQLAB runs --help
