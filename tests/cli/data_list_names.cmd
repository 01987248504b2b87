$SEQLAB data list | cut -d" " -f1
