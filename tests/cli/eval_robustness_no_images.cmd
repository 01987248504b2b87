cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >/dev/null; $SEQLAB eval --robustness $(ls -d results/tests/small/*) eval.ood=delay
