$SEQLAB list --color=red
