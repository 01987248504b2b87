cp tests/cli/plots.yaml $T; cd $T; $SEQLAB train -q plots.yaml optimizer.lr=0.1 'model.hidden=[8]' >/dev/null; $SEQLAB plot plots.yaml --kind curve
