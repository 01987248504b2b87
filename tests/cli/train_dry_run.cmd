$SEQLAB train --dry-run --results results tests/cli/small.yaml train.seed=3 | sed "/^memory/,\$d"
