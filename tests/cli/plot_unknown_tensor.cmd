cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml >/dev/null; $SEQLAB plot small.yaml --tensor fc.wieght 2>&1 | sed 's/[0-9a-f]\{12\}/ID/'
