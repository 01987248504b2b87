$SEQLAB data gte
