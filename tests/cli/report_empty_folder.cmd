$SEQLAB report tests/cli/table.yaml tests
