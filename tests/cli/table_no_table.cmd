$SEQLAB table tests/cli/small.yaml
