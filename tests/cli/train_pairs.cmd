cp tests/cli/small.yaml $T; cd $T
for model in "{name: lstm_classifier, d_model: 8}" "{name: s4d, n_layers: 1, d_model: 8, d_state: 8}" \
    "{name: longconv, n_layers: 1, d_model: 8, pair: concat}" "{name: transformer, n_layers: 1, d_model: 8, n_heads: 2}"; do
    $SEQLAB train -q small.yaml "data={name: retrieval_markov, length: 32, n_symbols: 3, spread: 3, n_train: 3000, n_valid: 0}" \
        "model=$model" "optimizer={name: adam, lr: 0.01}" "train={steps: 250, batch_size: 16, eval_every: 0}" |
        awk -v model="$model" '$1 == "test.top1" { print model, ($2 > 0.7 ? "learns" : "does not learn: " $2) }'
done
