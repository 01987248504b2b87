$SEQLAB help train.batch_sise
