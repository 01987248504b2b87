printf "7\n5 9 3\n1,4 6 8 10\n" | $SEQLAB generate -q tests/golden/hf/llama --ids --prompt - max_new_tokens=6 "eos_token_id=[2, 31]"
