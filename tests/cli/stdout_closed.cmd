$SEQLAB list >&-
