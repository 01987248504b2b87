#!/bin/sh
# Runs the unit tests, replays the fuzz corpora and runs tests/integration/*.sh; the last line counts them all.
# Environment (set by `make test`): SEQLAB the program, UNIT the unit tests, REPLAY the prefix of the replayers.
cd "$(dirname "$0")/.." || exit 2
log=$(mktemp -d) || exit 2
trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0
export SEQLAB UNIT

echo "== unit"
"$UNIT" >"$log/unit" 2>&1
code=$?
grep -vE '^\[ (RUN     |      OK) \]' "$log/unit"
passed=$((passed + $(grep -c '^\[       OK \]' "$log/unit")))
skipped=$((skipped + $(grep -c '^\[  SKIPPED \] [a-z_0-9]*\.[a-z_0-9]*$' "$log/unit")))
n=$(grep -c '^\[  FAILED  \] [a-z_0-9]*\.[a-z_0-9]*$' "$log/unit")
[ "$n" -gt 1 ] && n=$((n / 2)) # cmocka names a failure twice: as it happens and in its summary
[ "$code" -ne 0 ] && [ "$n" -eq 0 ] && n=1
failed=$((failed + n))

echo "== fuzz corpora"
for corpus in tests/fuzz/corpus/*/; do
    name=$(basename "$corpus")
    if "$REPLAY$name" "$corpus"* >"$log/fuzz" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "not ok fuzz $name"
        tail -n 30 "$log/fuzz"
    fi
done

for script in tests/integration/*.sh; do
    echo "== $script"
    "$script" >"$log/out" 2>&1 </dev/null
    code=$?
    cat "$log/out"
    passed=$((passed + $(grep -c '^ok ' "$log/out")))
    skipped=$((skipped + $(grep -c '^skip ' "$log/out")))
    n=$(grep -c '^not ok ' "$log/out")
    [ "$code" -ne 0 ] && [ "$n" -eq 0 ] && n=1 && echo "not ok $script: exit code $code"
    failed=$((failed + n))
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
