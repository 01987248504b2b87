$SEQLAB generate
