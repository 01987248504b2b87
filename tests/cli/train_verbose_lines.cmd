cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -v small.yaml 2>&1 >/dev/null | cut -c1-30
