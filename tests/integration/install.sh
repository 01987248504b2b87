#!/bin/sh
# What `make install` puts where, and that it works from there; `make uninstall` leaves nothing. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
mode=$(basename "$(dirname "$SEQLAB")")
if [ "$SEQLAB" != "$PWD/build/$mode/seqlab" ]; then
    echo "skip install: $SEQLAB is not in build/"
    exit 0
fi
unset MAKEFLAGS MAKELEVEL MFLAGS
umask 022
make -s install MODE="$mode" DESTDIR="$work/root" PREFIX=/opt/seqlab >"$work/log" 2>&1 || {
    echo "not ok install: $(tail -n 3 "$work/log")"
    exit 1
}
at=$work/root/opt/seqlab

name="install puts every file below DESTDIR and PREFIX"
wanted="bin/seqlab share/man/man1/seqlab.1 share/man/man5/seqlab-experiment.5 share/bash-completion/completions/seqlab
share/zsh/site-functions/_seqlab share/seqlab/experiment.schema.json share/seqlab/data/fashion_mnist.yaml
share/seqlab/experiments/quickstart/sweep.yaml share/seqlab/experiments/KEYS.md"
missing=
for file in $wanted; do [ -s "$at/$file" ] || missing="$missing $file"; done
outside=$(find "$work/root" -type f ! -path "$at/*")
if [ -z "$missing$outside" ]; then ok; else not_ok "missing:$missing; outside: $outside"; fi

name="install makes files that everybody may read"
closed=$(find "$at" -type f ! -perm -444; find "$at" -type d ! -perm -555)
if [ -z "$closed" ]; then ok; else not_ok "$closed"; fi

name="an installed seqlab finds its data recipes from any folder"
if (cd / && "$at/bin/seqlab" data list) | grep -q '^fashion_mnist '; then ok; else not_ok "no recipe"; fi

name="an installed experiment loads"
if (cd "$work" && "$at/bin/seqlab" train "$at/share/seqlab/experiments/quickstart/resnet20.yaml" data.name=shapes train.steps=1 --dry-run) \
    2>"$work/err" | grep -q '^name: quickstart/resnet20'; then ok; else not_ok "$(cat "$work/err")"; fi

name="uninstall leaves no file"
make -s uninstall MODE="$mode" DESTDIR="$work/root" PREFIX=/opt/seqlab >"$work/log" 2>&1
left=$(find "$work/root" -type f)
if [ -z "$left" ]; then ok; else not_ok "$left"; fi
