cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >/dev/null; $SEQLAB plot small.yaml --metric tets.loss
