$SEQLAB init --method merge -o none
