$SEQLAB table --help
