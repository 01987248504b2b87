cp tests/cli/small.yaml $T; cd $T; r=$($SEQLAB train -q small.yaml | head -n 1); $SEQLAB eval -q small.yaml >run; $SEQLAB eval small.yaml --checkpoint $r/checkpoint/model.safetensors | cmp - run
