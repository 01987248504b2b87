#!/bin/bash
# What the program prints, exactly: tests/cli/NAME.cmd is a shell line that uses $SEQLAB and $T (an empty folder);
# NAME.out, NAME.err and NAME.rc are its stdout, stderr and exit code (absent: nothing, nothing, 0).
# `cli.sh --accept` writes them anew (make accept); `cli.sh NAME ...` runs these alone. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
accept=
[ "$1" = --accept ] && accept=yes && shift
SEQLAB=$(realpath "${SEQLAB:-build/release/seqlab}")
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export SEQLAB T="$work/empty" LC_ALL=C TERM=dumb OMP_NUM_THREADS=1
unset SEQLAB_DATA NO_COLOR SEQLAB_ISA "${!SLURM_@}"

# A file of what was expected; none means that nothing was.
expect() {
    if [ -n "$accept" ]; then
        if [ -s "$work/$2" ]; then cp "$work/$2" "$1.$2"; else rm -f "$1.$2"; fi
    elif [ -e "$1.$2" ]; then
        diff -u "$1.$2" "$work/$2"
    else
        diff -u /dev/null "$work/$2"
    fi
}

for cmd in tests/cli/*.cmd; do
    name=$(basename "$cmd" .cmd) test=${cmd%.cmd}
    [ $# -gt 0 ] && [[ " $* " != *" $name "* ]] && continue
    rm -rf "$T" && mkdir "$T" || exit 2
    bash "$cmd" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    : >"$work/rc"
    [ "$code" -ne 0 ] && echo "$code" >"$work/rc"
    same=yes
    for part in rc err out; do
        expect "$test" $part >"$work/diff" || { same=; head -n 30 "$work/diff"; }
    done
    if [ -n "$same" ]; then echo "ok cli $name"; else echo "not ok cli $name"; fi
done
