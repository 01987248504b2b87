$SEQLAB -h | head -n 1
