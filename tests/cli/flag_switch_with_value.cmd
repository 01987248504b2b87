$SEQLAB list --json=yes
