$SEQLAB prune --ratio 0.5 tests/cli/prune_lottery.yaml
