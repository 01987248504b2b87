cp tests/cli/texts.yaml $T; cd $T; $SEQLAB train texts.yaml --dry-run 2>&1 | sed "s|$T|.|"
