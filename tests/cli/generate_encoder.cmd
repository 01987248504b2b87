$SEQLAB generate tests/golden/hf/bert_mlm --ids --prompt "5 9 3"
