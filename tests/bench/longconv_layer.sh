#!/bin/sh
# One long-convolution layer beside the same in PyTorch and beside attention: longconv_layer.sh [BENCH]
#
# Prints a Markdown table for 1 and for 2 threads (THREADS): milliseconds of a causal long convolution with its skip,
# GELU, linear layer and GLU, forward and backward, of the same by rfft and irfft in the torch of PYTHON (default
# /usr/bin/python3, Debian's python3-torch), and of our causal attention of the same width, with the length at which the
# two take the same time. Batches are such that TOKENS (65536) of WIDTH (64) are in a step at all LENGTHS
# ("64 128 ... 65536"). The three take turns, ROUNDS (3) of them, each for SECONDS (0.5); with one thread times are
# processor time. Attention stops where a step would take more than LIMIT (10) seconds. First it is checked that both
# layers compute what torch's do. About five minutes.
cd "$(dirname "$0")/../.." || exit 2
bench=${1:-build/release/longconv_layer_bench}
python=${PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import torch' 2>/dev/null; then
    echo "longconv_layer.sh: $python has no torch (Debian: python3-torch); PYTHON=... names another" >&2
    exit 2
fi
if [ ! -x "$bench" ]; then
    echo "longconv_layer.sh: $bench is missing; make $bench" >&2
    exit 2
fi
exec "$python" tests/bench/longconv_layer.py "$bench"
