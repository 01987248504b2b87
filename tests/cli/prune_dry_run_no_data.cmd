SEQLAB_DATA=$T $SEQLAB prune --dry-run tests/cli/prune_lottery.yaml "data={name: cifar10}" "model={name: resnet20}" "methods=[{name: precrop, density: 0.5}]" | tail -n 2
