$SEQLAB eval --checkpoint tests/cli/none.safetensors tests/cli/small.yaml
