$SEQLAB help train eval
