cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml | cut -d" " -f1
