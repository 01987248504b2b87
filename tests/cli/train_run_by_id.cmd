cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >first; $SEQLAB train -q 99cd | cmp - first
