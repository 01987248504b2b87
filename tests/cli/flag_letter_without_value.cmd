$SEQLAB eval -o
