cp tests/cli/texts.yaml $T; cd $T; printf 'a\tno\nab\tyes\n%.0s' 1 2 3 4 >texts.tsv
run=$($SEQLAB train -q texts.yaml train.steps=1 "model={name: transformer, n_layers: 1, d_model: 8, n_heads: 2}" | head -n 1)
$SEQLAB eval $run data.length=30
