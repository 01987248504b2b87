cp tests/cli/small.yaml tests/cli/sweep.yaml $T; cd $T; $SEQLAB sweep -q sweep.yaml >/dev/null; $SEQLAB runs --diff $(ls results/tests/sweep | head -n 2) | grep -v wall_s | grep -v step_ms
