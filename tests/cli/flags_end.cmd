$SEQLAB list -- --json
