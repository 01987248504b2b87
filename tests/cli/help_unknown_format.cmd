$SEQLAB help --format=ksh
