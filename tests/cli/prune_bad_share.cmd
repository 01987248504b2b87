$SEQLAB prune --dry-run tests/cli/prune_lottery.yaml "model={name: resnet20}" "methods=[{name: layer_lottery, criterion: l1, p: 2.5}]"
