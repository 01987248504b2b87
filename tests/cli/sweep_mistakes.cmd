cd tests/cli; $SEQLAB sweep sweep.yaml sweep.optimizer.lrr=[1] 'sweep.train.seed={range: [2, 1]}'
