$SEQLAB list modls
