$SEQLAB init --method pisa --model x -o none
