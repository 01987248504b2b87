$SEQLAB generate -q tests/golden/hf/t5 --ids --prompt "15 32 3 13 11 23" max_new_tokens=4
