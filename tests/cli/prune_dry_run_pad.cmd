SEQLAB_DATA=$T $SEQLAB prune -q --dry-run tests/cli/prune_lottery.yaml "data={name: cifar10}" "model={name: resnet20}" "methods=[{name: precrop, residual: pad, density: 0.3}]" | tail -n 2
