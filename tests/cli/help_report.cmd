$SEQLAB report -h
