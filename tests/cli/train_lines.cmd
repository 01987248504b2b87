cp tests/cli/small.yaml $T; cd $T; $SEQLAB train small.yaml train.seed=2 2>&1 >/dev/null | cut -c1-32
