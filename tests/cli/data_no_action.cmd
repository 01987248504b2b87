$SEQLAB data
