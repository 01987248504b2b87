$SEQLAB train --color=always tests/cli/small.yaml train.seed=three
