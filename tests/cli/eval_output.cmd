cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >/dev/null; $SEQLAB eval -o x.png 7aa4 >/dev/null; ls *.png
