cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >/dev/null; $SEQLAB train --profile small.yaml | head -1
