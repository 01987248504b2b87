#!/bin/sh
# What `seqlab help --format=` writes, held against those who read it: groff, a JSON Schema validator, the committed list
# of keys. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common

name="experiments/KEYS.md is what the program writes (make keys)"
if "$SEQLAB" help --format=keys | cmp -s - experiments/KEYS.md; then ok; else not_ok "it is not up to date"; fi

for page in man man5; do
    name="$page: groff has nothing to say"
    "$SEQLAB" help --format=$page >"$work/$page"
    if ! command -v groff >/dev/null; then
        echo "skip $name: groff is not installed"
    elif said=$(groff -man -ww -Tascii -P-c "$work/$page" 2>&1 >"$work/$page.txt") && [ -z "$said" ]; then
        ok
    else
        not_ok "$said"
    fi
done

name="the manual has every command and every exit code"
missing=
for word in $("$SEQLAB" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    grep -q "^\.SS $word$" "$work/man" || missing="$missing $word"
done
for code in 0 1 2 3 4 5 6 75 141; do grep -qx "\.B $code" "$work/man" || missing="$missing $code"; done
if [ -z "$missing" ]; then ok; else not_ok "missing:$missing"; fi

name="the example of experiments/README.md is experiments/quickstart/sweep.yaml"
awk '/^name: quickstart\/sweep/ {on = 1} /^```/ {on = 0} on' experiments/README.md | sed 's/ *#.*//' >"$work/shown"
sed -n '/^name:/,$p' experiments/quickstart/sweep.yaml | cmp -s - "$work/shown" && ok || not_ok "they differ"

# -- The schema

python=
for candidate in python3 /usr/bin/python3; do
    "$candidate" -c 'import jsonschema, yaml' 2>/dev/null && python=$candidate && break
done
if [ -z "$python" ]; then
    echo "skip schema: python3-jsonschema and python3-yaml are not installed"
    exit 0
fi
"$SEQLAB" help --format=schema >"$work/schema.json"
check() { "$python" tests/integration/schema_check.py "$work/schema.json" "$@"; }

name="every experiment of the repository is valid by the schema"
whole=$(grep -lE '^(train|extends):' experiments/*/*.yaml experiments/*/*/*.yaml) # the rest is what others extend
bad=$(check $whole tests/cli/small.yaml tests/cli/table.yaml | grep -v ' ok$')
if [ -z "$bad" ]; then ok; else not_ok "$bad"; fi

name="every example of experiments/README.md is valid by the schema"
awk -v at="$work/example" '/^```yaml/ {n++; on = 1; next} /^```/ {on = 0} on {print >(at n ".yaml")}' experiments/README.md
for file in "$work"/example*.yaml; do
    grep -q '^data:' "$file" || grep -q '^extends:' "$file" || echo 'extends: whole.yaml' >>"$file"
done
bad=$(check "$work"/example*.yaml | grep -v ' ok$')
n=$(find "$work" -name 'example*.yaml' | wc -l)
if [ -z "$bad" ] && [ "$n" -ge 8 ]; then ok; else not_ok "$n examples; $bad"; fi

cat >"$work/all.yaml" <<'YAML'
extends: [other.yaml]
data: {valid: .5, augment: crop}
model: {hidden: 64}
optimizer: {name: sgd, lr: 1e-3, nesterov: true}
schedule: null
train: {batch_size: 1e2, eval_every: 500it, seed: 7}
base: {file: a.yaml, set: {train.steps: 5ep}, same: [train.seed], checkpoint: best}
teacher: b.yaml
sweep:
  optimizer.lr: {log_range: [1e-4, 1e-1, 4]}
  train: {seed: {range: [1, 3]}, steps: [10ep, 2000]}
  methods.0.name: label_smoothing
  together: [{schedule.name: step, train.steps: 10ep}]
  sample: {n: 20, optimizer.lr: {log_uniform: [1e-4, 1e-1]}, model.activation: {choice: [relu, gelu]}}
  exclude: [{schedule.name: step, optimizer.lr: [0.1, 0.3]}]
table:
  - {rows: [a.b, c.d], metrics: [test.top1, {name: run.step_ms, digits: 1}], paper: {0.5: 91.7}}
claims: [{say: x, test: "row(1) > 2", rows: all, table: 1}]
search: {by: valid.top1, over: [optimizer.lr]}
slurm: {time: 90, mem: 4G, cpus: 8}
paper: {id: "arXiv:1512.03385", anything: 3}
YAML
name="the schema takes every form that the loader takes"
bad=$(check "$work/all.yaml")
if [ "$bad" = "$work/all.yaml ok" ]; then ok; else not_ok "$bad"; fi

# refused TEXT PLACE: a small experiment with one line more is refused, at this place.
refused() {
    name="the schema refuses $1"
    printf '%s\n' 'data: {name: shapes}' 'model: {name: mlp}' 'train: {steps: 10ep}' "$1" >"$work/bad.yaml"
    said=$(check "$work/bad.yaml")
    case "$said" in
    "$work/bad.yaml $2: "*) ok ;;
    *) not_ok "$said" ;;
    esac
}
refused 'optimiser: {name: sgd}' ''
refused 'optimizer: {name: sgd, momentun: 0.9}' optimizer
refused 'optimizer: {name: sgd, beta1: 0.9}' optimizer
refused 'optimizer: {name: sgd, lr: fast}' optimizer.lr
refused 'optimizer: {name: sgd, lr: "0.1"}' optimizer.lr
refused 'optimizer: {name: adma}' optimizer.name
refused 'methods: [{name: label_smoothing, smoothing: 2}]' methods.0.smoothing
refused 'table: {rows: train.seed, metric: {name: test.top1, digit: 1}}' table.metric
refused 'slurm: {cpus: 0}' slurm.cpus
refused 'claims: [{say: x, test: y, colum: z}]' claims.0

name="the schema wants data, model and train of a file that extends none"
echo 'train: {steps: 3}' >"$work/bad.yaml"
said=$(check "$work/bad.yaml")
case "$said" in *"is a required property"*) ok ;; *) not_ok "$said" ;; esac
