$SEQLAB prune x.safetensors --ratio 0.5 -o y.pt
