$SEQLAB generate tests/golden/hf/gpt2 --ids --prompt "5 9 3" max_length=3; echo $?; $SEQLAB generate tests/golden/hf/gpt2 --ids --prompt "5 9 3" max_new_tokens=40
