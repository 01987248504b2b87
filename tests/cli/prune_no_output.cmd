$SEQLAB prune x.safetensors --ratio 0.5
