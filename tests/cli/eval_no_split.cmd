cp tests/cli/small.yaml $T; cd $T; $SEQLAB eval --split valid small.yaml
