$SEQLAB prune -q --results $T/results tests/cli/prune_lottery.yaml >/dev/null; $SEQLAB plot -q --results $T/results --kind density --show tests/cli/prune_lottery.yaml
