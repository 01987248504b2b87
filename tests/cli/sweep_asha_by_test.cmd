cd tests/cli; $SEQLAB sweep --asha sweep.yaml search.by=test.top1 --results $T/r
