$SEQLAB plot
