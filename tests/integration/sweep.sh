#!/bin/sh
# `seqlab sweep` by processes here: each run once, with the bytes that `seqlab train` gives; needs before what needs
# them; failures, signals; and 50 kills of the sweep, of a worker or of both. Environment: SEQLAB; SEED repeats the kills.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
SEED=${SEED:-$(date +%s)}
echo "# SEED=$SEED repeats the moments"
KILLS=50
[ $slow -eq 1 ] || KILLS=5
cd "$work" || exit 2

cat >base.yaml <<YAML
run: train
name: tests/base
data: {name: shapes, size: 8, n_train: 200, n_test: 64}
model: {name: mlp, hidden: [16]}
optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
train: {steps: 60, batch_size: 20, eval_every: 20, checkpoint_every: 5, seed: 1}
YAML
cat >sweep.yaml <<YAML
extends: base.yaml
name: tests/sweep
base: {file: base.yaml, same: [train.seed], set: {optimizer.momentum: 0.5}}
sweep:
  optimizer.lr: [0.01, 0.1, 0.2]
  train.seed: {range: [1, 2]}
  exclude: [{optimizer.lr: 0.2, train.seed: 2}]
YAML

# all_runs RESULTS: a line a run with the bytes of what it left, in a fixed order.
all_runs() {
    (cd "$1" && find . -name metrics.jsonl -o -name model.safetensors | LC_ALL=C sort | xargs sha256sum)
}
n_done() { find "$1" -name run.json -exec grep -l '"status": "done"' {} + 2>/dev/null | wc -l; }

name="sweep lists what it would do, and does nothing"
"$SEQLAB" sweep sweep.yaml --dry-run >dry 2>err
if [ "$(grep -c after dry)" = 5 ] && tail -n 1 dry | grep -q '^7 runs: 0 done, 7 to do$' && [ ! -e results ]; then ok; else not_ok "$(tail -n 1 dry)"; fi

name="sweep makes every run"
"$SEQLAB" sweep sweep.yaml >out 2>err
code=$?
if [ $code -eq 0 ] && [ "$(cat out)" = "7 runs: 7 done" ] && [ "$(n_done results)" = 7 ]; then ok; else not_ok "code $code: $(cat out err)"; fi
all_runs results >expected

name="sweep makes no run twice"
before=$(find results -type f -printf '%p %T@\n' | LC_ALL=C sort | sha256sum)
"$SEQLAB" sweep sweep.yaml >out 2>err
if [ "$(cat out)" = "7 runs: 7 done (7 from before)" ] && [ "$before" = "$(find results -type f -printf '%p %T@\n' | LC_ALL=C sort | sha256sum)" ]; then ok; else not_ok "$(cat out err)"; fi

name="sweep's runs have the bytes of train's"
"$SEQLAB" sweep sweep.yaml --dry-run --json --results alone | tr '{' '\n' | sed -n 's/.*"command":"seqlab train \([^"]*\)".*/\1/p' >commands
while read -r words; do
    eval "set -- $words"
    "$SEQLAB" train -q --results alone "$@" </dev/null >/dev/null 2>err || cat err
done <commands
all_runs alone >alone.sums
if [ "$(wc -l <commands)" = 7 ] && cmp -s expected alone.sums; then ok; else not_ok "$(diff expected alone.sums | head -n 3)"; fi

name="sweep gives the same bytes with one worker and with three"
for jobs in 1 3; do
    "$SEQLAB" sweep sweep.yaml -q --jobs $jobs --results jobs$jobs >/dev/null 2>err || cat err
    all_runs jobs$jobs | cmp -s expected - || echo "differs with $jobs" >differs
done
if [ ! -e differs ]; then ok; else not_ok "$(cat differs)"; fi

name="two sweeps share one results folder"
"$SEQLAB" sweep sweep.yaml -q --results shared >out1 2>err1 &
first=$!
"$SEQLAB" sweep sweep.yaml -q --results shared >out2 2>err2
second_code=$?
wait $first
first_code=$?
all_runs shared >shared.sums
if [ "$first_code $second_code" = "0 0" ] && cmp -s expected shared.sums; then ok; else not_ok "codes $first_code $second_code: $(cat err1 err2)"; fi

name="a run that fails is reported, and what needs it is not started"
diverge='base.set={optimizer.lr: 10, optimizer.momentum: 0.99, train.steps: 100}'
"$SEQLAB" sweep sweep.yaml --results bad "$diverge" >out 2>err
code=$?
if [ $code -eq 5 ] && [ "$(cat out)" = "7 runs: 0 done, 2 failed, 5 without what they need" ] && grep -q 'the loss is' err &&
    [ "$(grep -c 'not started: it needs' err)" -ge 5 ] && tail -n 1 err | grep -q '^7 runs failed'; then ok; else not_ok "code $code: $(cat out; tail -n 1 err)"; fi

name="--retry alone runs again what has failed"
"$SEQLAB" sweep sweep.yaml --results bad "$diverge" >out 2>err
before=$(cat bad/tests/base/*/log.txt | grep -c 'the loss is')
"$SEQLAB" sweep sweep.yaml --results bad "$diverge" --retry >out2 2>err2
after=$(cat bad/tests/base/*/log.txt | grep -c 'the loss is')
if cmp -s out out2 && [ "$before $after" = "2 4" ]; then ok; else not_ok "$before, then $after: $(cat out out2)"; fi

for signal in INT TERM; do
    name="$signal stops a sweep with its checkpoints, and it goes on to the same bytes"
    "$SEQLAB" sweep sweep.yaml -q --results stop$signal >out 2>err &
    pid=$!
    wait_until 20 test -e stop$signal/tests
    kill -$signal $pid
    wait $pid
    code=$?
    "$SEQLAB" sweep sweep.yaml -q --results stop$signal >out2 2>err2
    again=$?
    all_runs stop$signal >stop.sums
    if { [ $code -eq 75 ] || [ $code -eq 0 ]; } && [ $again -eq 0 ] && cmp -s expected stop.sums; then ok; else not_ok "codes $code $again: $(cat err err2)"; fi
done

# -- kills: longer runs, so that there is something to kill

cat >long.yaml <<YAML
extends: sweep.yaml
name: tests/long
train: {steps: 3000, eval_every: 500, checkpoint_every: 100}
base: {file: base.yaml, same: [train.seed], set: {train.steps: 2000, train.checkpoint_every: 100, train.eval_every: 500}}
YAML
name="a sweep without kills"
if "$SEQLAB" sweep long.yaml -q --jobs 2 --results whole >/dev/null 2>err; then ok; else not_ok "$(cat err)"; fi
all_runs whole >whole.sums

name="$KILLS kills of the sweep, a worker or both: no run lost, none made twice, the same bytes"
awk -v seed="$SEED" -v n=$KILLS 'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "%d %.3f\n", int(3 * rand()), 0.02 + 0.35 * rand() }' >moments
kills=0 round=0
: >finished
while [ $kills -lt "$KILLS" ]; do
    round=$((round + 1))
    rm -rf killed
    while :; do
        "$SEQLAB" sweep long.yaml -q --jobs 2 --results killed >out 2>err &
        pid=$!
        kills=$((kills + 1))
        moment=$(sed -n "$((kills % KILLS + 1))p" moments)
        sleep "${moment#* }"
        children=$(pgrep -P $pid | head -n 1)
        case ${moment% *} in
        0) kill -KILL $pid 2>/dev/null ;;
        1) [ -z "$children" ] || kill -KILL $children 2>/dev/null ;;
        2) kill -KILL $pid $children 2>/dev/null ;;
        esac
        wait $pid 2>/dev/null
        code=$?
        [ $code -eq 0 ] && break
        [ $code -eq 137 ] || { echo "code $code: $(cat err)" >>strange; break; }
    done
    [ -e strange ] && break
    all_runs killed | cmp -s whole.sums - || { echo "round $round: $(all_runs killed | diff whole.sums - | head -n 2)" >>strange; break; }
    # done twice would show as a second first step after the last one
    for log in killed/*/*/*/log.txt; do
        [ "$(grep -c 'step 1/' "$log")" -ge 1 ] && grep -A100 "step 3000/3000\|step 2000/2000" "$log" | grep -q 'step 1/' && echo "$log: made twice" >>strange
    done
done
if [ ! -e strange ]; then ok; else not_ok "$(head -n 3 strange)"; fi
