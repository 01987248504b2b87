#!/bin/sh
# Signals, locks and the ways to start a run again: INT, TERM and USR1 stop it with a checkpoint and 75, USR2 lets it go
# on, a second INT ends it at once; each resume gives the bits of a run without signals. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common

# start RESULTS WORDS...: in the background, as $pid.
start() {
    results=$1
    shift
    "$SEQLAB" train --threads 1 --results "$results" "$@" >"$work/out" 2>"$work/err" &
    pid=$!
}
finish() {
    "$SEQLAB" train -q --threads 1 --results "$@" >"$work/out" 2>"$work/err"
}
# True once the log says that the first step is done.
has_stepped() { grep -q ' step ' "$(run_of "$results")/log.txt"; }
has_checkpoint() { [ -e "$(run_of "$results")/checkpoint/state.json" ]; }
has_record() { [ -e "$(run_of "$results")/run.json" ]; }
end() {
    wait "$pid" 2>/dev/null
    code=$?
}

# -- Stopping between steps: a run of thousands of them, without checkpoints of its own -------------------------------

write_shapes_mlp "$work/mlp.yaml"
long() { echo "$work/mlp.yaml train.steps=$((20000 / slow)) train.eval_every=0 train.checkpoint_every=0"; }
# shellcheck disable=SC2046 # the words of long are to be split
finish "$work/whole" $(long) || echo "not ok train without signals: $(head -n 1 "$work/err")"
whole=$(run_of "$work/whole")

for signal in INT TERM USR1; do
    name="train stops on $signal with 75"
    start "$work/$signal" $(long)
    wait_until 20 has_stepped
    kill -$signal "$pid"
    end
    run=$(run_of "$results") step=$(state "$run" step)
    if [ $code -ne 75 ]; then
        not_ok "exit code $code: $(tail -n 1 "$work/err")"
    elif [ "$(record "$run" status)" != stopped ]; then
        not_ok "run.json says $(record "$run" status)"
    elif ! grep -q "^stopped by signal .* at step $step of" "$work/err"; then
        not_ok "checkpoint of step $step, but: $(cat "$work/err")"
    elif ! grep -q "'seqlab train $run' goes on" "$work/err"; then
        not_ok "it does not say how to go on: $(cat "$work/err")"
    else
        ok
    fi
    name="train resumed after $signal, by its folder"
    if ! "$SEQLAB" train -q --resume "$run" >"$work/out" 2>"$work/err"; then
        not_ok "$(head -n 1 "$work/err")"
    else
        expect_run "$whole" "$run"
    fi
done

name="train goes on after USR2 and a checkpoint"
start "$work/usr2" $(long)
wait_until 20 has_stepped
kill -USR2 "$pid"
wait_until 20 has_checkpoint
if ! kill -0 "$pid" 2>/dev/null; then
    not_ok "it ended, or wrote no checkpoint: $(tail -n 1 "$work/err")"
else
    step=$(state "$(run_of "$results")" step)
    kill -KILL "$pid"
    end
    if [ "${step:-0}" -gt 0 ]; then ok; else not_ok "checkpoint of step $step"; fi
fi
name="train killed after USR2 continues from there"
finish "$work/usr2" --resume $(long) || cat "$work/err"
expect_run "$whole" "$(run_of "$work/usr2")"

# -- Stopping during an evaluation: nearly all of the time goes into them ---------------------------------------------

cat >"$work/eval.yaml" <<YAML
run: train
name: tests/eval
data: {name: shapes, size: 8, n_train: 200, n_test: $((20000 / slow))}
model: {name: mlp, hidden: [512, 512]}
optimizer: {name: adam, lr: 1e-3, ema_decay: 0.5}
schedule: {name: linear, end_factor: 0.5}
train: {steps: 3, batch_size: 10, eval_every: 1, checkpoint_every: 100}
YAML
finish "$work/eval_whole" "$work/eval.yaml"
eval_whole=$(run_of "$work/eval_whole")

# Stops a run within the evaluation of its first step; sets $run.
stop_in_evaluation() {
    start "$1" "$work/eval.yaml"
    wait_until 20 has_stepped
    kill -TERM "$pid"
    end
    run=$(run_of "$1")
    [ $code -eq 75 ] && [ "$(state "$run" step)" = 1 ] && [ "$(state "$run" loss_n)" = 1 ]
}
name="train resumed after a stop within an evaluation"
if ! stop_in_evaluation "$work/eval1"; then
    echo "skip $name: the signal did not come within it (exit code $code)"
else
    finish "$work/eval1" "$work/eval.yaml"
    expect_run "$eval_whole" "$run"
fi
name="train killed after the evaluation that a stop had put off"
has_metrics() { [ -s "$run/metrics.jsonl" ]; }
if ! stop_in_evaluation "$work/eval2"; then
    echo "skip $name: the signal did not come within it (exit code $code)"
else
    start "$work/eval2" "$work/eval.yaml"
    wait_until 20 has_metrics
    kill -KILL "$pid"
    end
    finish "$work/eval2" "$work/eval.yaml"
    expect_run "$eval_whole" "$run"
fi

# -- Before the first step, and at once -------------------------------------------------------------------------------

cat >"$work/wide.yaml" <<YAML
run: train
name: tests/wide
data: {name: shapes, size: 8, n_train: 2000, n_test: 10}
model: {name: mlp, hidden: [2048, 2048]}
optimizer: {name: sgd, lr: 0.01}
train: {steps: 2, batch_size: $((2000 / slow)), eval_every: 0}
YAML
name="train stopped before its first step"
finish "$work/wide_whole" "$work/wide.yaml"
start "$work/wide" "$work/wide.yaml"
wait_until 20 has_record
kill -TERM "$pid"
end
run=$(run_of "$work/wide")
if [ $code -ne 75 ]; then
    not_ok "exit code $code: $(tail -n 1 "$work/err")"
elif [ "$(state "$run" step)" != 0 ]; then
    echo "skip $name: the signal came late, at step $(state "$run" step)"
else
    finish "$work/wide" "$work/wide.yaml"
    expect_run "$(run_of "$work/wide_whole")" "$run"
fi

name="train ends at once on a second INT"
start "$work/twice" "$work/wide.yaml" train.batch_size=2000 train.steps=50
wait_until 20 has_record
kill -INT "$pid"
sleep 0.05
kill -INT "$pid" 2>/dev/null
end
if [ $code -eq 130 ]; then
    ok
elif [ $code -eq 75 ]; then
    echo "skip $name: the first one was faster"
else
    not_ok "exit code $code: $(tail -n 1 "$work/err")"
fi

name="train dies of TERM while it reads its data"
start "$work/early" "$work/mlp.yaml" data.n_train=1000000
sleep 0.1
kill -TERM "$pid"
end
if [ $code -eq 75 ]; then
    echo "skip $name: it had read them already"
elif [ $code -eq 143 ] && [ ! -e "$work/early" ]; then
    ok
else
    not_ok "exit code $code"
fi

# -- One owner a folder -----------------------------------------------------------------------------------------------

name="train refuses a folder that another process runs"
start "$work/owned" $(long)
owner=$pid
wait_until 20 has_stepped
"$SEQLAB" train --threads 1 --results "$work/owned" $(long) >"$work/out2" 2>"$work/err2"
code=$?
if [ $code -eq 1 ] && [ "$(wc -l <"$work/err2")" -eq 1 ] && grep -q "is being run on host .* by process $owner\$" "$work/err2"; then
    ok
else
    not_ok "exit code $code: $(cat "$work/err2")"
fi
name="train takes over a dead owner's lock"
kill -KILL "$owner"
end
run=$(run_of "$work/owned")
[ -s "$run/lock" ] || echo "# the lock was empty"
if finish "$work/owned" $(long); then expect_run "$whole" "$run"; else not_ok "$(cat "$work/err")"; fi

name="train started four times at once runs once"
for i in 1 2 3 4; do
    { "$SEQLAB" train -q --threads $i --results "$work/four" $(long) >/dev/null 2>"$work/err$i"; echo $? >"$work/code$i"; } &
done
wait
codes=$(sort "$work"/code[1-4] | tr -d '\n') refusals=$(cat "$work"/err[1-4] | grep -c 'is being run on host')
if [ "$codes" != 0111 ] || [ "$refusals" -ne 3 ]; then
    not_ok "exit codes $codes, $refusals refusals: $(cat "$work"/err[1-4] | head -n 1)"
else
    expect_run "$whole" "$(run_of "$work/four")"
fi

# -- Done, again ------------------------------------------------------------------------------------------------------

name="train of a finished run says so"
before=$(cat "$whole/run.json")
"$SEQLAB" train --results "$work/whole" $(long) >"$work/out" 2>"$work/err"
code=$?
if [ $code -eq 0 ] && grep -q 'already done' "$work/err" && [ "$(head -n 1 "$work/out")" = "$whole" ] && [ "$(cat "$whole/run.json")" = "$before" ]; then
    ok
else
    not_ok "exit code $code: $(cat "$work/err")"
fi
name="train --force computes a finished run again"
cp -r "$whole" "$work/copy"
rm "$whole/metrics.jsonl"
if finish "$work/whole" --force $(long) && [ "$(record "$whole" status)" = done ]; then
    expect_run "$work/copy" "$whole"
else
    not_ok "$(cat "$work/err")"
fi

name="train --resume without a checkpoint"
"$SEQLAB" train --resume --results "$work/none" $(long) >"$work/out" 2>"$work/err"
code=$?
if [ $code -eq 2 ] && grep -q 'has no checkpoint$' "$work/err" && [ ! -e "$work/none" ]; then
    ok
else
    not_ok "exit code $code, $(find "$work/none" 2>/dev/null | wc -l) files: $(cat "$work/err")"
fi
