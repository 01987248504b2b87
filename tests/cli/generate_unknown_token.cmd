$SEQLAB generate tests/golden/hf/gpt2 --ids --prompt "5 x"; echo $?; $SEQLAB generate tests/golden/hf/gpt2 --ids --prompt "5 41"
