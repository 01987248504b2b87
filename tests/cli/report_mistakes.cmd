$SEQLAB report tests/cli/table_mistakes.yaml
