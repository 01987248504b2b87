$SEQLAB train train.seed=3
