$SEQLAB train
