cp tests/cli/plots.yaml $T; cd $T; $SEQLAB sweep -q plots.yaml train.seed=1 'sweep.train.seed=[1]' >/dev/null; $SEQLAB plot plots.yaml plots=null --png --json
