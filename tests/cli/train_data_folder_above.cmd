mkdir -p $T/data $T/a/b; cp tests/cli/cifar.yaml $T/a/b; cd $T; $SEQLAB train a/b/cifar.yaml; cd a; $SEQLAB train b/cifar.yaml 2>&1 | grep -c "empty/data/: "
