cp tests/cli/small.yaml tests/cli/sweep.yaml $T; cd $T; $SEQLAB sweep --dry-run sweep.yaml sweep.train.seed=[7] | cut -c 15-
