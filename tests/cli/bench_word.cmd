$SEQLAB bench map
