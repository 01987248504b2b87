$SEQLAB list
