cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >/dev/null; COLUMNS=60 $SEQLAB plot small.yaml --show --metric test.loss
