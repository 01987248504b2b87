$SEQLAB prune tests/cli/small.yaml
