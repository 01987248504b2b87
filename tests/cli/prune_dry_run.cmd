$SEQLAB prune --dry-run tests/cli/prune_lottery.yaml; ls $T
