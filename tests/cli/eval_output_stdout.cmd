$SEQLAB eval tests/cli/small.yaml --results=$T -o -
