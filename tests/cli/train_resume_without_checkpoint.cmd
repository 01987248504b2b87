cp tests/cli/small.yaml $T; cd $T; $SEQLAB train --resume small.yaml
