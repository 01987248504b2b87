$SEQLAB table tests/cli/table.yaml "claims=[{say: x, test: cosine < constant}]" --check -o $T/t --results $T/r
