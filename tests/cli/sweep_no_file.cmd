$SEQLAB sweep
