cp tests/cli/small.yaml $T; cd $T; r=$($SEQLAB train -q small.yaml | head -n 1); $SEQLAB eval small.yaml model.hidden=8 --checkpoint $r/checkpoint/model.safetensors
