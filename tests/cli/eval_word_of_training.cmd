cp tests/cli/small.yaml $T; cd $T; $SEQLAB eval $($SEQLAB train -q small.yaml | head -n 1) optimizer.lr=1
