cd $T; seq 400 >text.txt; $SEQLAB data tokenizer train -q --vocab-size 260 text.txt -o t.json; echo "12 3" | $SEQLAB data tokenizer encode t.json --json
