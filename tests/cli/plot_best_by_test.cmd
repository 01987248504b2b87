$SEQLAB plot -o $T/x.svg tests/cli/prune_lottery.yaml "plots=[{kind: sweep, x: train.seed, at_by: test.top1}]"
