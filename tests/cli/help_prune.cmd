$SEQLAB prune --help
