cp tests/cli/text.yaml $T; cd $T; $SEQLAB train text.yaml 2>&1 | sed "s|$T/||"; echo ${PIPESTATUS[0]}
