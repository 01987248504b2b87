#!/bin/sh
# The kernels' bits: v3 against v4 (or what this CPU has), 1, 2, 3 and 7 threads, and aarch64 under qemu-user.
cd "$(dirname "$0")/../.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
bits=$(dirname "$UNIT")/bits

isas=$(SEQLAB_ISA=none "$bits" 1 2>&1 | grep -o 'v3\|v4\|neon')
"$bits" 1 >"$work/reference" || { echo "not ok bits: does not run"; exit 1; }
for isa in $isas; do
    for threads in 1 2 3 7; do
        if ! SEQLAB_ISA=$isa "$bits" "$threads" >"$work/out" 2>"$work/err"; then
            echo "skip bits $isa $threads threads: $(cat "$work/err")"
        elif cmp -s "$work/reference" "$work/out"; then
            echo "ok bits $isa $threads threads"
        else
            echo "not ok bits $isa $threads threads: $(diff "$work/reference" "$work/out" | grep '^>' | awk '{print $2}' | sort | uniq -c | tr '\n' ' ')"
        fi
    done
done

cross=aarch64-linux-gnu-gcc
if ! command -v $cross >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
    echo "skip bits aarch64: no $cross or no qemu-aarch64 (packages gcc-aarch64-linux-gnu, qemu-user)"
    exit 0
fi
if ! make -s MODE=cross CC=$cross build/cross/bits >"$work/log" 2>&1; then
    echo "not ok bits aarch64: does not compile"
    tail -n 20 "$work/log"
elif ! qemu-aarch64 -L /usr/aarch64-linux-gnu build/cross/bits 2 >"$work/out" 2>"$work/err"; then
    echo "not ok bits aarch64: $(tail -n 1 "$work/err")"
elif cmp -s "$work/reference" "$work/out"; then
    echo "ok bits aarch64"
else
    echo "not ok bits aarch64: $(diff "$work/reference" "$work/out" | grep '^>' | awk '{print $2}' | sort | uniq -c | tr '\n' ' ')"
fi
