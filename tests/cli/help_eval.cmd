$SEQLAB eval -h
