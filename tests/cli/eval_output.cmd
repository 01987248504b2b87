cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >/dev/null; $SEQLAB eval -o x.png 99cd >/dev/null; ls *.png
