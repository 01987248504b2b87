cp tests/cli/small.yaml tests/cli/sweep.yaml $T; cd $T; $SEQLAB sweep --asha sweep.yaml data.valid=32 train.steps=12; $SEQLAB sweep -q --asha sweep.yaml data.valid=32 train.steps=12
