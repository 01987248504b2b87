SEQLAB_DATA=$T $SEQLAB prune --dry-run tests/cli/prune_lottery.yaml "data={name: cifar10}" "methods=[{name: prune, score: snip}]" 2>&1 | sed "s|$T|T|g"
