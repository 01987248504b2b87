$SEQLAB help momentum
