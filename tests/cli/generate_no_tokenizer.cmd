$SEQLAB generate tests/golden/hf/gpt2 --prompt x
