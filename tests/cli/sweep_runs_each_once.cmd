cp tests/cli/small.yaml tests/cli/sweep.yaml $T; cd $T; $SEQLAB sweep -q sweep.yaml; $SEQLAB sweep -q sweep.yaml; $SEQLAB sweep --dry-run sweep.yaml | tail -n 1
