#!/bin/sh
# How long the program takes to say what it can do: printed, never judged, since the machine may be busy. Best of nine.
# Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common

for words in --version --help 'train --help' list 'list ops' 'help train.steps' 'help lr' 'help --format=schema'; do
    best=
    for _ in 1 2 3 4 5 6 7 8 9; do
        before=$(date +%s%N)
        # shellcheck disable=SC2086 # several words
        "$SEQLAB" $words >/dev/null
        took=$((($(date +%s%N) - before) / 1000))
        if [ -z "$best" ] || [ $took -lt "$best" ]; then best=$took; fi
    done
    echo "# seqlab $words: $((best / 1000)).$(printf %03d $((best % 1000))) ms, with the fork"
done
