cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >first; $SEQLAB train small.yaml | cmp - first
