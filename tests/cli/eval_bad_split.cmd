$SEQLAB eval --split dev tests/cli/small.yaml
