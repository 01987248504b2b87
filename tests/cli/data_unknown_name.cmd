$SEQLAB data get cifar01
