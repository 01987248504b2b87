$SEQLAB train tests/cli/small.yaml -q --results=$T >$T/o && $SEQLAB plot tests/cli/small.yaml --results=$T -q -o - | head -c 5
