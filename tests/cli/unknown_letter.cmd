$SEQLAB train -qx
