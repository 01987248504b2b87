cp tests/cli/small.yaml $T; cd $T; $SEQLAB train -q small.yaml optimizer.lr=10 optimizer.momentum=0.99 train.steps=100 2>&1 | sed "s/at step.*//"; echo ${PIPESTATUS[0]}
