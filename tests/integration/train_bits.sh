#!/bin/sh
# The bits of whole runs: metrics and checkpoint are the same for 1, 2 and 3 threads, for each instruction set that the
# CPU has, and for other intervals of checkpoints and sizes of evaluation batches. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common

# variants LABEL FILE [key=value ...]: trains FILE in several ways and compares each with the first.
variants() {
    label=$1 file=$2
    shift 2
    reference=
    for how in 'threads 1' 'threads 2' 'threads 3' 'isa v3' 'isa v4' 'checkpoints every 9' 'evaluation batches of 7'; do
        name="train bits, $label, $how"
        results=$work/$label/$how isa='' threads=2 key=train.seed=5
        case $how in
        threads*) threads=${how#threads } ;;
        isa*) isa=${how#isa } ;;
        checkpoints*) key=train.checkpoint_every=9 ;;
        evaluation*) key=train.eval_batch_size=7 ;;
        esac
        if ! SEQLAB_ISA=$isa "$SEQLAB" train -q --threads "$threads" --results "$results" "$file" train.seed=5 "$@" \
            "$key" >"$work/out" 2>"$work/err"; then
            case $how in
            isa*) echo "skip $name: $(head -n 1 "$work/err")" ;;
            *) not_ok "$(head -n 1 "$work/err")" ;;
            esac
            continue
        fi
        run=$(run_of "$results")
        if [ -z "$reference" ]; then
            reference=$run
            if [ -s "$run/metrics.jsonl" ]; then ok; else not_ok "no metrics"; fi
        else
            expect_run "$reference" "$run"
        fi
    done
}

fashion=experiments/quickstart/fashion-mnist.yaml
if "$SEQLAB" train --dry-run $fashion >/dev/null 2>&1; then
    variants fashion-mnist $fashion train.steps=$((120 / slow)) train.eval_every=$((60 / slow))
else
    echo "skip train bits, fashion-mnist: the data set is not here (package dataset-fashion-mnist)"
fi

cat >"$work/resnet8.yaml" <<YAML
run: train
name: tests/resnet8
data: {name: shapes, size: 16, channels: 3, n_train: 400, n_test: 50, valid: 40, augment: [crop, flip], crop_pad: 2}
model: {name: resnet8}
optimizer: {name: sgd, lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 5e-4}
schedule: {name: one_cycle}
train: {steps: $((40 / slow + 4)), batch_size: 20, eval_every: 8}
YAML
variants resnet8 "$work/resnet8.yaml"
write_shapes_mlp "$work/mlp.yaml"
variants mlp "$work/mlp.yaml"
variants mlp-bf16 "$work/mlp.yaml" train.compute=bf16
