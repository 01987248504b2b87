$SEQLAB runs status
