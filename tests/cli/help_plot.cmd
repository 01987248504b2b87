$SEQLAB plot -h
