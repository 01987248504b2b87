$SEQLAB list models mlp sgd
