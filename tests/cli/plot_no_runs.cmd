cp tests/cli/plots.yaml $T; cd $T; $SEQLAB plot plots.yaml
