cp tests/cli/small.yaml tests/cli/sweep.yaml $T; cd $T; $SEQLAB sweep -q sweep.yaml optimizer.lr=1 >/dev/null; $SEQLAB sweep --status sweep.yaml | cut -c 15-
