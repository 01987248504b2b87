cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >/dev/null; $SEQLAB eval -q --split train 7aa4 | head -n 1 | grep -o "of .*"
