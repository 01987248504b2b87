sed s/lr:/lrr:/ tests/cli/table.yaml | $SEQLAB train - --results=$T
