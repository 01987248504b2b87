$SEQLAB table
