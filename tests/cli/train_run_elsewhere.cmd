cd $T; mkdir a; cp $OLDPWD/tests/cli/small.yaml .; $SEQLAB train -q --results a/r small.yaml | head -n 1; $SEQLAB train -q a/r/tests/small/7aa4260d5551 | head -n 1; ls
