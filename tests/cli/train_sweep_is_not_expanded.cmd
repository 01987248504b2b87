$SEQLAB train --dry-run tests/cli/small.yaml sweep.train.seed=[1,2] | sed -n "/^run  /p"
