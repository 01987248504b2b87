cp tests/cli/small.yaml $T; cd $T; $SEQLAB eval small.yaml
