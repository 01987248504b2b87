$SEQLAB generate -q tests/golden/hf/llama --ids --prompt "5 9 3" max_new_tokens=8 eos_token_id=[]
