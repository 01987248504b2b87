cp tests/cli/texts.yaml $T; cd $T; printf 'a\tno\nab\tyes\n%.0s' 1 2 3 4 >texts.tsv
run=$($SEQLAB train -q texts.yaml train.steps=1 "model={name: longconv, n_layers: 1, d_model: 4}" | head -n 1)
$SEQLAB eval -q $run data.length=30 model.kernel_length=12 | head -n 1; ls $run | grep png; $SEQLAB eval $run data.length=30
