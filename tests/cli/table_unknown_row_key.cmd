$SEQLAB table tests/cli/table.yaml table.rows=optimizer.lrr
