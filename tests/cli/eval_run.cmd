cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >/dev/null; $SEQLAB eval small.yaml | awk "{print \$1}"; ls results/tests/small/*/confusion.png
