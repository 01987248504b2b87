$SEQLAB list models mlp
