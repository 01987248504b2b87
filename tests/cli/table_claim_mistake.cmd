$SEQLAB table tests/cli/table_mistakes.yaml
