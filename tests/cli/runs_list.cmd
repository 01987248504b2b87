cp tests/cli/small.yaml tests/cli/sweep.yaml $T; cd $T; $SEQLAB sweep -q sweep.yaml >/dev/null; $SEQLAB runs | sed 's/[0-9.]* s /TIME /'
