$SEQLAB report
