cd tests/cli; $SEQLAB sweep --asha small.yaml sweep.train.seed=[1,2] --results $T/r
