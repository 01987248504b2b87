#!/bin/sh
# A run that is killed at random moments (start-up, steps, evaluations, checkpoints) and started again until it is done
# has the bytes of one that was never interrupted. Environment: SEQLAB; SEED repeats the moments of an earlier failure
# as well as a clock can.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
SEED=${SEED:-$(date +%s)}
MIN_KILLS=24
echo "# SEED=$SEED repeats the moments"

write_shapes_mlp "$work/mlp.yaml"
set -- "$work/mlp.yaml" data.n_test=3000 train.steps=150 train.eval_every=15 train.checkpoint_every=4 methods.1.at=60
name="train without interruption"
started=$(date +%s%N)
if "$SEQLAB" train -q --threads 1 --results "$work/whole" "$@" >"$work/out" 2>"$work/err"; then
    ok
else
    not_ok "$(head -n 1 "$work/err")"
    exit 1
fi
ms=$((($(date +%s%N) - started) / 1000000))
whole=$(run_of "$work/whole")

# A start lasts from nothing to half of what the whole run took; every third is cut within the first twentieth.
awk -v seed="$SEED" -v ms=$ms 'BEGIN { srand(seed)
    for (i = 0; i < 400; i++) printf "%.4f\n", (i % 3 == 2 ? 0.05 : 0.5) * ms / 1000 * rand() }' >"$work/delays"

# until_done LIMIT FLAGS...: starts the run in $results until it is done, killing each start but those after LIMIT kills.
# Counts in $kills; $moments gets a line a kill.
until_done() {
    limit=$1 n=0
    shift
    while :; do
        threads=$((kills % 3 + 1))
        "$SEQLAB" train -q --threads $threads --results "$results" "$@" >"$work/out" 2>"$work/err" &
        pid=$!
        if [ "$n" -lt "$limit" ]; then
            total=$((total + 1))
            sleep "$(sed -n "$((total % 400 + 1))p" "$work/delays" | awk -v percent=$percent '{ printf "%.4f", $1 * percent / 100 }')"
            kill -KILL $pid 2>/dev/null
        fi
        wait $pid 2>/dev/null
        code=$?
        if [ $code -ne 137 ]; then
            percent=$((percent * 3 / 4 + 1)) # the machine is faster now than when the whole run was timed
            return $code
        fi
        n=$((n + 1)) kills=$((kills + 1))
        state=$(run_of "$results")/checkpoint/state.json
        echo "kill $kills: checkpoint at step $(sed -n 's/.*"step": //p' "$state" 2>/dev/null)" >>"$work/moments"
    done
}

kills=0 total=0 round=0 percent=100
while [ $kills -lt $MIN_KILLS ] && [ $round -lt 12 ]; do
    round=$((round + 1)) before=$kills
    results=$work/killed$round
    until_done $MIN_KILLS "$@"
    code=$?
    name="train killed at random, round $round"
    run=$(run_of "$results")
    if [ $code -ne 0 ]; then
        not_ok "exit code $code after $((kills - before)) kills: $(head -n 1 "$work/err") (SEED=$SEED)"
    elif ! why=$(same_run "$whole" "$run"); then
        not_ok "$why (SEED=$SEED): $(tail -n 5 "$work/moments" | tr '\n' ';')"
    elif [ "$(record "$run" status)" != done ]; then
        not_ok "run.json says $(record "$run" status)"
    else
        ok
    fi
    name="train killed at random leaves nothing over, round $round"
    left=$(find "$results" -name '*.tmp*' -o -name '*.new' -o -name '*.old' -o -name '*.gone')
    if [ -z "$left" ]; then ok; else not_ok "$left"; fi
done
echo "# checkpoint steps at the kills: $(sed 's/.* //' "$work/moments" | tr '\n' ' ')"
name="train killed at least $MIN_KILLS times"
if [ $kills -ge $MIN_KILLS ]; then ok; else not_ok "$kills kills"; fi

# By strace at the very calls between which the folder is in two minds: the n-th rename, removal or fsync.
if [ $slow -ne 1 ] || ! strace -o "$work/trace" -e inject=rename:signal=KILL:when=1 true 2>/dev/null; then
    echo "skip train killed at every rename: no strace here, or no use under the sanitizers"
else
    set -- "$work/mlp.yaml" train.steps=6 train.eval_every=3 train.checkpoint_every=2 methods.1.at=3 data.n_test=50
    "$SEQLAB" train -q --threads 1 --results "$work/short" "$@" >"$work/out" 2>"$work/err"
    short=$(run_of "$work/short")
    for calls in rename unlink,unlinkat,rmdir ftruncate; do
        name="train killed at every ${calls%%,*}" why='' n=0 results=$work/traced
        while [ -z "$why" ]; do
            rm -rf "$results"
            strace -f -o "$work/trace" -e trace=$calls -e inject=$calls:signal=KILL:when=$((n + 1)) \
                "$SEQLAB" train -q --threads 1 --results "$results" "$@" >"$work/out" 2>"$work/err"
            [ $? -eq 137 ] || break
            n=$((n + 1))
            "$SEQLAB" train -q --threads 1 --results "$results" "$@" >"$work/out" 2>"$work/err" || why=$(head -n 1 "$work/err")
            [ -n "$why" ] || why=$(same_run "$short" "$(run_of "$results")")
        done
        if [ -n "$why" ]; then not_ok "$why (kill $n)"; elif [ $n -lt 3 ]; then not_ok "only $n kills"; else ok; fi
    done
    set -- "$work/mlp.yaml" data.n_test=3000 train.steps=150 train.eval_every=15 train.checkpoint_every=4 methods.1.at=60
fi

# --force empties the folder of a finished run; a kill in there must not mix the old run with the new one.
name="train --force killed at random"
why=
for i in 1 2 3 4 5 6; do
    "$SEQLAB" train -q --threads 1 --force --results "$work/whole" "$@" >"$work/out" 2>"$work/err" &
    pid=$!
    sleep "$(awk -v seed="$SEED" -v ms=$ms -v i=$i 'BEGIN { srand(seed + i); printf "%.4f", 0.2 * ms / 1000 * rand() }')"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    "$SEQLAB" train -q --threads 2 --results "$work/whole" "$@" >"$work/out" 2>"$work/err" || why=$(head -n 1 "$work/err")
    [ -z "$why" ] || break
    why=$(same_run "$run" "$whole") || break
    why=
done
if [ -z "$why" ]; then ok; else not_ok "$why (kill $i, SEED=$SEED)"; fi
