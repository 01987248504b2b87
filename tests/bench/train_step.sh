#!/bin/sh
# Whole training steps beside PyTorch: train_step.sh SEQLAB [THREADS]
#
# Runs ours and the PyTorch of each python in TORCH_PYTHONS (default /usr/bin/python3: Debian's python3-torch) in turn, ROUNDS
# times, and prints the median of the rounds' median step times, the ratio, the time from the start of the process to the
# end of the first step, and the peak resident memory. MODELS chooses among the jobs below; VARIANTS (default: eager
# channels_last compile) the peer's ways to run; compile takes a minute to start. Ours reads real Fashion-MNIST through the
# loader for the first two models; char_gpt, long_conv and lstm are built by STEP_BENCH (step_bench.c), on data that is in memory,
# as the peer's always is; llama_lora (not by default: 'seqlab data get tinyshakespeare' first) is fine-tuning.
seqlab=${1:-build/release/seqlab}
threads=${2:-2}
step_bench=${STEP_BENCH:-build/release/step_bench}
rounds=${ROUNDS:-5}
models=${MODELS:-lenet_300_100 resnet20 char_gpt long_conv lstm}
variants=${VARIANTS:-eager channels_last compile}
pythons=${TORCH_PYTHONS:-/usr/bin/python3}
cd "$(dirname "$0")/../.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

steps_of() {
    case $1 in
    lenet_300_100) echo 2000 ;;
    resnet20) echo 30 ;;
    lstm) echo 12 ;;
    *) echo 5 ;;
    esac
}

train() { # MODEL STEPS FILE
    "$seqlab" train "$3.yaml" -q --force --threads "$threads" --results "$work/results" \
        train.steps="$2" train.eval_every="$2" train.checkpoint_every="$2" >/dev/null || exit 1
    find "$work/results" -name run.json -exec cat {} + >>"$work/$1.ours"
    rm -rf "$work/results"
}

ours() { # MODEL STEPS
    case $1 in
    lenet_300_100) train "$1" "$2" experiments/quickstart/fashion-mnist ;;
    resnet20) train "$1" "$2" experiments/quickstart/resnet20 ;;
    llama_lora) train "$1" "$2" tests/bench/llama_lora ;;
    *) "$step_bench" "$1" "$2" "$threads" >>"$work/$1.ours" || exit 1 ;;
    esac
}

torch() { # ROUND PYTHON MODEL STEPS
    for variant in $variants; do
        [ "$variant" = channels_last ] && [ "$3" != resnet20 ] && continue
        [ "$variant" = compile ] && [ "$1" -gt 2 ] && continue # slow to start; two rounds will do
        STARTED_AT=$(date +%s.%N) "$2" tests/bench/train_step_torch.py "$3" "$4" "$threads" "$variant" \
            >>"$work/$3.torch" 2>/dev/null
    done
}

for round in $(seq "$rounds"); do
    for model in $models; do
        ours "$model" "$(steps_of "$model")"
        for python in $pythons; do
            "$python" -c 'import torch' 2>/dev/null && torch "$round" "$python" "$model" "$(steps_of "$model")"
        done
    done
done
# shellcheck disable=SC2086 # one word a model
python3 tests/bench/train_step_table.py "$threads" "$work" $models
