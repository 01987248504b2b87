$SEQLAB list sgd
