$SEQLAB table tests/cli/table.yaml --format pdf
