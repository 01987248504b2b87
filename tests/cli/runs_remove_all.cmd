$SEQLAB runs --remove --yes
