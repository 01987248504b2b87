$SEQLAB list >/dev/full
