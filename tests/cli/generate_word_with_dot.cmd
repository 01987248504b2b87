$SEQLAB generate tests/golden/hf/gpt2 --ids --prompt 5 data.block=2
