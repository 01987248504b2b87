$SEQLAB frobnicate
