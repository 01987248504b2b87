$SEQLAB data get
