$SEQLAB list ops matmul
