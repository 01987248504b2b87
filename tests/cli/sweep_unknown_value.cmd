cd tests/cli; $SEQLAB sweep sweep.yaml 'sweep.schedule.name=[cosin]'
