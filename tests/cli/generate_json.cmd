$SEQLAB generate -q tests/golden/hf/gpt2 --ids --prompt "5 9 3" num_beams=2 num_return_sequences=2 max_length=6 --json | sed "s/\(probability\":-[0-9.]\{7\}\)[0-9]*/\1/"
