#!/bin/sh
# What train --dry-run says of memory is what a run then takes, to a tenth: models whose activations, whose parameters
# or whose data are most of it. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common

if [ $slow -ne 1 ]; then
    echo "skip memory as the dry run says: the sanitizer's own memory is in the way"
    exit 0
fi
cat >"$work/sequence.yaml" <<YAML
run: train
name: tests/memory
data: {name: pathfinder, side: 64, n_train: 12, n_valid: 4, n_test: 4}
model: {name: longconv, n_layers: 2, d_model: 16, bidirectional: true}
methods: [{name: squash, lambda: 0.001}, {name: kernel_dropout}]
optimizer: {name: adamw, lr: 1e-3, weight_decay: 0.05}
train: {steps: 3, batch_size: 4, eval_every: 0}
YAML

peak_of() { sed -n 's/.*"peak_bytes": *\([0-9]*\).*/\1/p' "$1"; }

# as_said LABEL WORDS...
as_said() {
    name="memory as the dry run says, $1"
    shift
    rm -rf "$work/results"
    if ! "$SEQLAB" train --dry-run --json "$@" >"$work/said" 2>"$work/err" ||
        ! "$SEQLAB" train -q --results "$work/results" "$@" >"$work/out" 2>"$work/err"; then
        not_ok "$(head -n 1 "$work/err")"
        return
    fi
    said=$(peak_of "$work/said") took=$(peak_of "$(run_of "$work/results")/run.json")
    if [ $((10 * said)) -ge $((9 * took)) ] && [ $((10 * said)) -le $((11 * took)) ]; then
        ok
    else
        not_ok "$said bytes were said, $took were taken"
    fi
}

as_said '4096 steps, 1 thread' --threads 1 "$work/sequence.yaml"
as_said '4096 steps, 2 threads' --threads 2 "$work/sequence.yaml"
as_said 'learned transform' "$work/sequence.yaml" model.transform=butterfly model.d_model=8 train.batch_size=2
as_said 'examples of a file' "$work/sequence.yaml" data.side=256 data.n_train=200 "data.cache=$work" model.d_model=4 \
    model.n_layers=1 train.batch_size=1
as_said 'evaluation larger than training' "$work/sequence.yaml" train.batch_size=1 train.eval_batch_size=16 \
    optimizer.ema_decay=0.9
