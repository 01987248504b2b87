$SEQLAB plot tests/cli/small.yaml -o x.pdf
