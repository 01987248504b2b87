$SEQLAB help train.batch_size
