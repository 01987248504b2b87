cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >first; $SEQLAB train -q 7aa4 | cmp - first
