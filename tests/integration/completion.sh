#!/bin/bash
# Completion as the shells do it: bash's function is called with a line, zsh's in a pseudo-terminal. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
"$SEQLAB" help --format=bash >"$work/seqlab.bash"
"$SEQLAB" help --format=zsh >"$work/_seqlab"
mkdir -p "$work/here/results/quickstart/deep/0123456789ab" "$work/here/results/quick/0123456789cd" "$work/here/data" "$work/here/set"
touch "$work/here/one.yaml" "$work/here/two.yml" "$work/here/three.txt" "$work/here/data/mnist.yaml" "$work/here/a.safetensors"
cd "$work/here" || exit 2
# shellcheck disable=SC1091
. "$work/seqlab.bash"

# offered LINE: what bash would offer at its end, sorted.
offered() {
    COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
    read -ra COMP_WORDS <<<"$1"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    [[ $1 == *' ' ]] && COMP_CWORD=$((COMP_CWORD + 1))
    _seqlab
    printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' '
}

# completes LINE WORDS: they are all that is offered. has LINE WORD: it is among them; lacks: it is not.
completes() {
    name="bash: '$1'"
    said=$(offered "$1")
    if [ "${said% }" = "$2" ]; then ok; else not_ok "offered: $said"; fi
}
has() {
    name="bash: '$1' has '$2'"
    said=$(offered "$1")
    if [[ " $said" == *" $2 "* ]]; then ok; else not_ok "offered: $said"; fi
}
lacks() {
    name="bash: '$1' lacks '$2'"
    said=$(offered "$1")
    if [[ " $said" != *" $2 "* ]]; then ok; else not_ok "offered: $said"; fi
}

completes 'seqlab tr' train
has 'seqlab ' sweep
completes 'seqlab train --dry' --dry-run
completes 'seqlab train --color=al' always
completes 'seqlab train --color al' always
completes 'seqlab eval --checkpoint a.s' a.safetensors
completes 'seqlab train --results=res' results/
has 'seqlab table --format=' latex
lacks 'seqlab table --format=' zsh
completes 'seqlab help --format=z' zsh
completes 'seqlab train t' two.yml
lacks 'seqlab train t' three.txt
completes 'seqlab eval 01234' '0123456789ab 0123456789cd'
completes 'seqlab eval --results nowhere 01234' ''
completes 'seqlab train one.yaml opti' optimizer.
completes 'seqlab train one.yaml optimizer.mom' optimizer.momentum=
completes 'seqlab train one.yaml optimizer.name=m' muon
completes 'seqlab train one.yaml run=ev' eval
completes 'seqlab train one.yaml methods.3.smo' methods.3.smoothing=
completes 'seqlab train one.yaml methods.3.name=mag' magnitude_mask
completes 'seqlab sweep one.yaml sweep.train.se' sweep.train.seed=
completes 'seqlab train one.yaml --threads 4 train.bat' train.batch_size=
completes 'seqlab list resnet2' resnet20
has 'seqlab list ' models
completes 'seqlab data ge' get
completes 'seqlab data get mn' mnist
completes 'seqlab help slurm.runs' slurm.runs_per_task
completes 'seqlab help swee' 'sweep sweep sweep.exclude sweep.sample sweep.together'
completes 'seqlab nonsense ' ''

name="bash: no key press starts the program"
if grep -q '\$(' "$work/seqlab.bash"; then not_ok "a command substitution"; else ok; fi
before=$(date +%s%N)
for _ in 1 2 3 4 5 6 7 8 9 10; do
    COMP_LINE='seqlab train one.yaml optimizer.' COMP_POINT=32
    _seqlab
done
took=$((($(date +%s%N) - before) / 10000))
echo "# bash: $took us to complete optimizer."

if ! command -v zsh >/dev/null; then
    echo "skip zsh: it is not installed"
    exit 0
fi
cat >"$work/drive.zsh" <<'ZSH'
# drive.zsh FOLDER LINE WANTED: types LINE and a tab, and waits until the line editor shows WANTED; prints what it showed.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; PS2=; setopt no_beep; stty columns 200; fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; zstyle ':completion:*' list-prompt ''; echo RE''ADY"
zpty -r shell said '*READY*'
zpty -n -w shell "$2"$'\t'
said=
repeat 250; do
    while zpty -rt shell more; do said+=$more; done
    [[ $said == *"$3"* ]] && break
    sleep 0.02
done
zpty -d shell
print -r -- ${said//$'\e'\[[0-9;?]#[a-zA-Z]/}
ZSH
zsh_has() {
    name="zsh: '$1' gives '$2'"
    said=$(zsh -o extended_glob "$work/drive.zsh" "$work" "$1" "$2" 2>&1)
    if [[ $said == *"$2"* ]]; then ok; else not_ok "$(printf %q "$said")"; fi
}
zsh_has 'seqlab tr' 'seqlab train '
zsh_has 'seqlab train --dry' '--dry-run '
zsh_has 'seqlab train --color=al' '--color=always '
zsh_has 'seqlab train tw' 'two.yml'
zsh_has 'seqlab train one.yaml optimizer.mom' 'optimizer.momentum='
zsh_has 'seqlab train one.yaml optimizer.name=mu' 'optimizer.name=muon'
zsh_has 'seqlab train one.yaml methods.2.smo' 'methods.2.smoothing='
zsh_has 'seqlab eval 0123456789a' '0123456789ab'
zsh_has 'seqlab list resnet4' 'resnet44'
zsh_has 'seqlab help slurm.runs' 'slurm.runs_per_task'
zsh_has 'seqlab data get mni' 'mnist'
