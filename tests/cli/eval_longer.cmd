cp tests/cli/texts.yaml $T; cd $T
for i in 1 2 3 4; do printf 'aacad\tno\nabca\tyes\ncdaadcc\tno\ncb\tyes\naaaaaaaaabac\tyes\n'; done >texts.tsv
for model in "{name: lstm_classifier, d_model: 8}" "{name: s4d, n_layers: 1, d_model: 8, d_state: 8}" \
    "{name: longconv, n_layers: 1, d_model: 8, kernel_length: 12}" \
    "{name: transformer, n_layers: 1, d_model: 8, n_heads: 2, positions: sinusoidal}"; do
    run=$($SEQLAB train -q texts.yaml "model=$model" | head -n 1)
    $SEQLAB eval -q $run >trained && $SEQLAB eval -q $run data.length=30 >longer
    echo "$model"; head -n 2 longer; diff trained longer # what is longer is only padding
done
