$SEQLAB generate --help
