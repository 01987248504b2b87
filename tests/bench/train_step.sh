#!/bin/sh
# Whole training steps beside PyTorch: train_step.sh SEQLAB [THREADS]
#
# Runs ours and the PyTorch of each python in TORCH_PYTHONS (default /usr/bin/python3: Debian's python3-torch) in turn, ROUNDS
# times, and prints the median of the rounds' median step times, the ratio, the time from the start of the process to the
# end of the first step, and the peak resident memory. VARIANTS (default: eager channels_last compile) chooses the peer's
# ways to run; compile takes a minute to start. Ours reads real Fashion-MNIST through the loader; the peer's data
# are random tensors that are in memory already.
seqlab=${1:-./seqlab}
threads=${2:-2}
rounds=${ROUNDS:-5}
variants=" ${VARIANTS:-eager channels_last compile} "
pythons=${TORCH_PYTHONS:-/usr/bin/python3}
cd "$(dirname "$0")/../.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

ours() { # MODEL STEPS FILE
    "$seqlab" train "experiments/quickstart/$3.yaml" -q --force --threads "$threads" --results "$work/results" \
        train.steps="$2" train.eval_every="$2" train.checkpoint_every="$2" >/dev/null || exit 1
    find "$work/results" -name run.json -exec cat {} + >>"$work/$1.ours"
    rm -rf "$work/results"
}

for round in $(seq "$rounds"); do
    ours lenet_300_100 2000 fashion-mnist
    ours resnet20 30 resnet20
    for python in $pythons; do
        "$python" -c 'import torch' 2>/dev/null || continue
        for job in "lenet_300_100 2000 eager" "lenet_300_100 2000 compile" "resnet20 30 eager" \
            "resnet20 30 channels_last" "resnet20 30 compile"; do
            [ "$round" -gt 2 ] && case $job in *compile) continue ;; esac # slow to start; two rounds will do
            set -- $job
            case $variants in *" $3 "*) ;; *) continue ;; esac
            STARTED_AT=$(date +%s.%N) "$python" tests/bench/train_step_torch.py "$1" "$2" "$threads" "$3" \
                >>"$work/$1.torch" 2>/dev/null
        done
    done
done
python3 tests/bench/train_step_table.py "$threads" "$work"
