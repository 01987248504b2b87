$SEQLAB prune x.safetensors --ratio 0.5 -o y.safetensors model.name=resnet20
