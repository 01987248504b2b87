#!/bin/sh
# What goes wrong is said in one clear line with the documented exit code, and leaves nothing half done: mistakes in the
# experiment file, damaged data and checkpoints, a loss that is NaN, a disk that is full. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
at_end='umount "$work"/disk 2>/dev/null' # nothing is there unless a test broke off

# fails CODE LINES TEXT COMMAND...: the command ends with CODE and LINES lines on stderr, the first of which matches TEXT.
fails() {
    want=$1 lines=$2 text=$3
    shift 3
    "$@" >"$work/out" 2>"$work/err"
    code=$?
    if [ $code -ne "$want" ]; then
        not_ok "exit code $code, expected $want: $(head -n 1 "$work/err")"
    elif [ "$(wc -l <"$work/err")" -ne "$lines" ]; then
        not_ok "$(wc -l <"$work/err") lines on stderr, expected $lines: $(tail -n 1 "$work/err")"
    elif ! head -n 1 "$work/err" | grep -q -- "$text"; then
        not_ok "it says: $(head -n 1 "$work/err")"
    else
        ok
    fi
}
train() { "$SEQLAB" train -q --threads 1 --results "$work/results" "$@"; }

# -- The experiment file ----------------------------------------------------------------------------------------------

# config NAME LINES TEXT 'LINE 3' ['LINE 4' ['LINE 5']]: a file with one mistake in these lines.
config() {
    name="train, $1"
    cat >"$work/config.yaml" <<YAML
run: train
name: tests/config
${4:-data: {name: shapes, size: 8, n_train: 40, n_test: 10\}}
${5:-model: {name: mlp, hidden: [4]\}}
${6:-train: {steps: 1, batch_size: 4\}}
YAML
    fails 3 "$2" "$3" train "$work/config.yaml"
    if [ "$2" -eq 3 ] && ! tail -n 1 "$work/err" | grep -q '^ *^~*$'; then not_ok "no caret"; fi
}
config 'unknown key' 3 "config.yaml:5:20: unknown key 'bacth_size' in train; did you mean 'batch_size'?" '' '' \
    'train: {steps: 10, bacth_size: 4}'
config 'wrong type' 3 "config.yaml:5:31: expected an integer, found the word 'four'" '' '' \
    'train: {steps: 1, batch_size: four}'
config 'value out of range' 3 'config.yaml:3:29: size = 4 is outside \[8, 256\]; the default is 28' \
    'data: {name: shapes,  size: 4}'
config 'unknown model' 3 "config.yaml:4:15: unknown model 'mpl'; did you mean 'mlp'?" '' 'model: {name: mpl}'
config 'YAML syntax error' 3 'config.yaml:6:1: a tab stands here; lines are indented by blanks' '' '' 'train:
	steps: 1'
config 'sequence that does not end' 3 'config.yaml:6:1: not YAML: did not find expected' '' '' 'train: {steps: [1'
config 'key that is there twice' 3 "config.yaml:5:19: key 'steps' stands twice; first in line 5" '' '' 'train: {steps: 1, steps: 2}'
config 'block that is missing' 1 "config.yaml: 'model' is missing" '' '# no model'
config 'more in a batch than there is' 1 'batch_size = 41; shapes has 40 train examples, expected 1 to 40' '' '' \
    'train: {steps: 1, batch_size: 41}'
name="train, missing file"
fails 3 1 'none.yaml: cannot be read: No such file or directory' train "$work/none.yaml"
name="train, override of an unknown key"
fails 2 2 "command line: model.hiden=3: unknown key 'hiden' in model 'mlp'; did you mean 'hidden'?" \
    train tests/cli/small.yaml model.hiden=3

# -- Data -------------------------------------------------------------------------------------------------------------

be32() { printf "\\$(printf %o $(($1 >> 24)))\\$(printf %o $(($1 >> 16 & 255)))\\$(printf %o $(($1 >> 8 & 255)))\\$(printf %o $(($1 & 255)))"; }
# idx_images N [MAGIC], idx_labels N [MAGIC [LAST]]: IDX files on stdout.
idx_images() {
    be32 "${2:-2051}"
    be32 "$1" && be32 28 && be32 28
    seq 1 99999 | head -c $(($1 * 784))
}
idx_labels() {
    be32 "${2:-2049}"
    be32 "$1"
    [ "$1" -gt 0 ] || return 0
    head -c $(($1 - 1)) /dev/zero
    printf "\\$(printf %o "${3:-9}")"
}
whole_set() {
    rm -rf "$work/set"
    mkdir "$work/set"
    idx_images 40 >"$work/set/train-images-idx3-ubyte"
    idx_labels 40 >"$work/set/train-labels-idx1-ubyte"
    idx_images 10 >"$work/set/t10k-images-idx3-ubyte"
    idx_labels 10 >"$work/set/t10k-labels-idx1-ubyte"
}
cat >"$work/mnist.yaml" <<YAML
run: train
name: tests/mnist
data: {name: mnist, folder: $work/set}
model: {name: mlp, hidden: [4]}
train: {steps: 1, batch_size: 4}
YAML
images=$work/set/train-images-idx3-ubyte labels=$work/set/train-labels-idx1-ubyte
data() {
    name="train, data: $1"
    fails 4 1 "$2" train "$work/mnist.yaml"
}
whole_set
name="train on a small IDX set"
if train "$work/mnist.yaml" >"$work/out" 2>"$work/err"; then ok; else not_ok "$(cat "$work/err")"; fi
rm -r "$work/results"
rm "$images"
data 'missing' 'train-images-idx3-ubyte: is not there, with or without .gz'
whole_set && gzip "$images" && gzip -dc "$images.gz" | gzip | head -c 9000 >"$work/part" && mv "$work/part" "$images.gz"
data 'truncated gzip' 'ubyte.gz: the gzip stream is truncated or damaged'
whole_set && gzip "$images" && printf 'damage' | dd of="$images.gz" bs=1 seek=4000 conv=notrunc 2>/dev/null
data 'corrupt gzip' 'ubyte.gz: the gzip stream is truncated or damaged'
whole_set && head -c 20000 "$images" >"$work/part" && mv "$work/part" "$images"
data 'truncated IDX' 'train-images-idx3-ubyte: the header announces 31360 bytes of images, the file has 19984'
whole_set && idx_images 40 2049 >"$images"
data 'wrong magic number' 'begins with 0x00000801; an IDX file of images begins with 0x00000803'
whole_set && idx_labels 40 2049 10 >"$labels"
data 'label out of range' 'label 10 of item 39; expected 0 to 9'
whole_set && idx_images 0 >"$images" && idx_labels 0 >"$labels"
data 'no images' 'train-images-idx3-ubyte: holds no images'
whole_set && : >"$images"
data 'empty file' 'train-images-idx3-ubyte: 0 bytes'
whole_set && idx_labels 39 >"$labels"
data 'other count of labels' 'train-labels-idx1-ubyte: 39 labels for the 40 images of .*train-images'
whole_set && be32 2051 >"$images" && be32 2147483647 >>"$images" && be32 16384 >>"$images" && be32 16384 >>"$images"
data 'absurd sizes' 'the header announces [0-9]* bytes of images, the file has 0'
name="train, data: a failure leaves no folder"
if [ -e "$work/results" ]; then not_ok "$(find "$work/results" | tail -n 1)"; else ok; fi

# -- Checkpoints ------------------------------------------------------------------------------------------------------

cat >"$work/small.yaml" <<YAML
run: train
name: tests/small
data: {name: shapes, size: 8, n_train: 40, n_test: 10}
model: {name: mlp, hidden: [4]}
optimizer: {name: adam}
train: {steps: 6, batch_size: 10, eval_every: 3}
YAML
train "$work/small.yaml" >"$work/out" 2>"$work/err" || echo "not ok train small.yaml: $(cat "$work/err")"
run=$(run_of "$work/results/tests/small") weights=$work/weights.safetensors

# safetensors 'HEADER' BYTES: such a file at $weights, with so many bytes of data.
safetensors() {
    { printf "\\$(printf %o $((${#1} & 255)))\\$(printf %o $((${#1} >> 8)))\0\0\0\0\0\0%s" "$1"; head -c "$2" /dev/zero; } >"$weights"
}
checkpoint() {
    name="eval, checkpoint: $1"
    fails 4 "${3:-1}" "weights.safetensors: $2" "$SEQLAB" eval -q "$run" --checkpoint "$weights" -o "$work/x.png"
}
names=$(head -c 4096 "$run/checkpoint/model.safetensors" | tr ',' '\n' | grep -ao '"[a-z_0-9.]*":{"dtype"' | cut -d '"' -f 2)
first=$(echo "$names" | head -n 1)
head -c 500 "$run/checkpoint/model.safetensors" >"$weights"
checkpoint truncated '.*truncated'
head -c 5 "$run/checkpoint/model.safetensors" >"$weights"
checkpoint 'of 5 bytes' '5 bytes: too short for a safetensors file'
safetensors '{}' 0 && printf '\377\377\377\377\377\377\377\177' | dd of="$weights" conv=notrunc 2>/dev/null
checkpoint 'header beyond the file' 'header of 9223372036854775807 bytes in a file of 10'
safetensors '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}' 12
checkpoint 'overlapping offsets' "tensor 'b' overlaps another one"
safetensors '{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}}' 8
checkpoint 'absurd shape' "tensor 'a': bad shape"
safetensors '{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}' 0
checkpoint 'absurd number of bytes' "tensor 'a': shape and dtype need another number of bytes than 0"
safetensors "{\"$first\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,8]}}" 8
checkpoint 'negative size' "tensor '$first': bad shape"
safetensors '{"a":' 0
checkpoint 'header that is no JSON' 'the header is not JSON'
safetensors '{"other.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 8
checkpoint 'of another architecture' "parameter '.*' is not there" $(($(echo "$names" | wc -l) + 1))
name="eval, checkpoint of other widths"
fails 4 3 "model.safetensors: tensor '.*' is (4, 64), the model's is (5, 64)" "$SEQLAB" eval -q "$work/small.yaml" 'model.hidden=[5]' \
    --checkpoint "$run/checkpoint/model.safetensors" -o "$work/x.png"

# A run's own checkpoint: said aloud, and the steps are done again; --resume refuses.
cp -r "$run" "$work/whole"
damage() {
    sed -i 's/"status": "done"/"status": "stopped"/' "$run/run.json"
    head -c 700 "$work/whole/checkpoint/$1" >"$run/checkpoint/$1"
}
for file in model.safetensors optimizer.safetensors; do
    damage $file
    name="train --resume with a damaged $file"
    fails 4 1 "$file: .*truncated" train --resume "$work/small.yaml"
    name="train with a damaged $file starts again"
    "$SEQLAB" train --results "$work/results" "$work/small.yaml" >"$work/out" 2>"$work/err"
    if ! grep -q "$file: .*; starting again from step 0" "$work/err"; then
        not_ok "it does not say so: $(head -n 1 "$work/err")"
    else
        expect_run "$work/whole" "$run"
    fi
done
name="train with a flipped bit in the checkpoint starts again"
damage model.safetensors && cp "$work/whole/checkpoint/model.safetensors" "$run/checkpoint"
size=$(wc -c <"$run/checkpoint/model.safetensors")
printf '\125' | dd of="$run/checkpoint/model.safetensors" bs=1 seek=$((size - 1)) conv=notrunc 2>/dev/null
"$SEQLAB" train --results "$work/results" "$work/small.yaml" >"$work/out" 2>"$work/err"
if ! grep -q 'damaged: the CRC-32 .*; starting again from step 0' "$work/err"; then
    not_ok "it does not say so: $(head -n 1 "$work/err")"
else
    expect_run "$work/whole" "$run"
fi
name="train after metrics.jsonl was damaged in the middle"
sed -i 's/"status": "done"/"status": "stopped"/' "$run/run.json"
sed -i '1s/.*/torn/' "$run/metrics.jsonl"
fails 4 1 'metrics.jsonl:2: the lines before this one are damaged' train "$work/small.yaml"

# -- A loss that is not finite ----------------------------------------------------------------------------------------

cat >"$work/nan.yaml" <<YAML
run: train
name: tests/nan
data: {name: shapes, size: 8, n_train: 400, n_test: 50}
model: {name: mlp, hidden: [32, 32, 32]}
optimizer: {name: sgd, lr: 10, weight_decay: 10}
schedule: {name: constant, warmup: 100}
train: {steps: 400, batch_size: 20, eval_every: 10, checkpoint_every: 2}
YAML
# diverges 'WHAT IS NOT FINITE' 'LOSS OF THE LAST CHECKPOINT' WORDS...
diverges() {
    text=$1 loss=$2 results=$work/nan.$((nan = nan + 1))
    shift 2
    fails 1 1 "^run [0-9a-f]\{12\}: $text at step [0-9]* (the loss was [0-9.e+]* before); last checkpoint: step [0-9]*; .*--check-nan " \
        "$SEQLAB" train -q --threads 1 --results "$results" "$work/nan.yaml" "$@"
    cp "$work/err" "$work/failed"
    run=$(run_of "$results") last=$(sed -n 's/.*last checkpoint: step \([0-9]*\).*/\1/p' "$work/err")
    name="$name: what is left"
    if [ "$(record "$run" status)" != failed ]; then
        not_ok "run.json says $(record "$run" status)"
    elif [ "$(state "$run" step)" != "$last" ]; then
        not_ok "the checkpoint is of step $(state "$run" step), not of $last"
    elif ! "$SEQLAB" eval "$run" >"$work/out" 2>"$work/err" || ! grep -q "^loss $loss\$" "$work/out"; then
        not_ok "the checkpoint cannot be used: $(head -n 1 "$work/err") $(grep '^loss' "$work/out")"
    else
        ok
    fi
    name="$name; --check-nan names the value"
    failed=$(sed -n 's/.* at step \([0-9]*\) .*/\1/p' "$work/failed")
    "$SEQLAB" train -q --check-nan "$run" >"$work/out" 2>"$work/err"
    if grep -q "^step $failed: .* is the first value that is not finite: element [0-9]* is " "$work/out"; then
        ok
    else
        not_ok "it fails at step $failed; $(cat "$work/out" "$work/err")"
    fi
}
nan=0
name="train whose loss becomes NaN"
diverges 'the loss is NaN' nan # finite weights whose products are not
name="train whose buffers overflow"
diverges '.* is infinite' '[0-9.]*' model.batch_norm=true model.activation=tanh train.checkpoint_every=1

# -- Places that cannot be written ------------------------------------------------------------------------------------

name="train, results under a file"
fails 1 1 'cannot be made: Not a directory' "$SEQLAB" train -q --results "$work/small.yaml/results" "$work/small.yaml"
name="train, results where nothing can be made"
fails 1 1 'cannot be made' "$SEQLAB" train -q --results /proc/seqlab "$work/small.yaml"
name="train, stdout closed"
"$SEQLAB" train -q --results "$work/closed" "$work/small.yaml" >&- 2>"$work/err"
code=$?
if [ $code -eq 141 ] && [ ! -s "$work/err" ] && [ "$(record "$(run_of "$work/closed")" status)" = done ]; then
    ok
else
    not_ok "exit code $code: $(cat "$work/err")"
fi
name="train, stdout full"
[ -e /dev/full ] && fails 1 1 'stdout: not everything could be written' \
    sh -c '"$SEQLAB" train -q --results "$1" "$2" >/dev/full' sh "$work/closed" "$work/small.yaml"

# What stands under its final name after a failed write is whole: the checkpoint can be evaluated, run.json is JSON.
is_whole() {
    run=$(run_of "$1")
    if [ -e "$run/checkpoint/state.json" ]; then
        "$SEQLAB" eval -q "$run" -o "$work/x.png" >/dev/null 2>"$work/err" || return 1
    fi
    [ ! -e "$run/run.json" ] || tail -n 1 "$run/run.json" | grep -q '^}$'
}
write_shapes_mlp "$work/mlp.yaml"
train "$work/mlp.yaml" >/dev/null 2>&1
whole=$(run_of "$work/results/tests/mlp")
# cut_short LABEL: judges a run in $results that failed with $code.
cut_short() {
    name="train, $1: fails clearly"
    if [ $code -ne 1 ] || ! head -n 1 "$work/err" | grep -q "$2"; then
        not_ok "exit code $code: $(head -n 1 "$work/err")"
    elif ! is_whole "$results"; then
        not_ok "half a file: $(head -n 1 "$work/err")"
    else
        ok
    fi
}
go_on() {
    name="train, $1: goes on when there is room"
    if "$SEQLAB" train -q --threads 1 --results "$results" "$work/mlp.yaml" >"$work/out" 2>"$work/err"; then
        expect_run "$whole" "$(run_of "$results")"
    else
        not_ok "$(head -n 1 "$work/err")"
    fi
}
for blocks in 1 3 60 120; do
    results=$work/limit$blocks
    (ulimit -f $blocks && exec "$SEQLAB" train -q --threads 1 --results "$results" "$work/mlp.yaml") >/dev/null 2>"$work/err"
    code=$?
    cut_short "files of at most $blocks blocks" 'cannot be written: File too large'
    go_on "files of at most $blocks blocks"
done
mkdir "$work/disk"
if mount -t tmpfs -o size=16k none "$work/disk" 2>/dev/null; then
    for size in 4 16 40 72 140 180 208 240 288 320 348; do
        mount -o remount,size=${size}k "$work/disk"
        results=$work/disk/results
        "$SEQLAB" train -q --threads 1 --results "$results" "$work/mlp.yaml" >/dev/null 2>"$work/err"
        code=$?
        cut_short "disk of $size kB" 'No space left on device'
        mount -o remount,size=4m "$work/disk"
        go_on "disk of $size kB"
        rm -rf "$results"
    done
    umount "$work/disk"
else
    echo "skip train, full disk: no tmpfs can be mounted here"
fi

# By strace: each write in turn finds the disk full.
if [ $slow -ne 1 ] || ! strace -o "$work/trace" -e inject=write:error=ENOSPC:when=99 true 2>/dev/null; then
    echo "skip train, every write fails: no strace here, or no use under the sanitizers"
else
    name="train, every write fails: clearly, and goes on" why='' n=0 results=$work/traced
    set -- "$work/mlp.yaml" train.steps=6 train.eval_every=3 train.checkpoint_every=2 methods.1.at=3 data.n_test=50
    train "$@" >"$work/out" 2>"$work/err"
    short=$(head -n 1 "$work/out")
    while [ -z "$why" ]; do
        rm -rf "$results"
        n=$((n + 1))
        strace -f -o "$work/trace" -e trace=write -e inject=write:error=ENOSPC:when=$n \
            "$SEQLAB" train -q --threads 1 --results "$results" "$@" >"$work/out" 2>"$work/err"
        code=$?
        grep -q INJECTED "$work/trace" || break
        [ $code -le 1 ] || why="exit code $code"
        [ $code -eq 0 ] || [ "$(wc -l <"$work/err")" -eq 1 ] || why="$(wc -l <"$work/err") lines on stderr"
        is_whole "$results" || why="half a file"
        "$SEQLAB" train -q --threads 1 --results "$results" "$@" >"$work/out" 2>"$work/err" || why=$(head -n 1 "$work/err")
        [ -n "$why" ] || why=$(same_run "$short" "$(run_of "$results")")
    done
    if [ -n "$why" ]; then not_ok "$why (write $n)"; elif [ $n -lt 20 ]; then not_ok "only $n writes"; else ok; fi
fi
