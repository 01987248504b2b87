$SEQLAB report tests/cli/table.yaml train.seed=1 small
