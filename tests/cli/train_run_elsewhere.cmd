cd $T; mkdir a; cp $OLDPWD/tests/cli/small.yaml .; $SEQLAB train -q --results a/r small.yaml | head -n 1; $SEQLAB train -q a/r/tests/small/99cd2afcdbfb | head -n 1; ls
