#!/bin/sh
# seqlab table over real runs: its numbers are those of metrics.jsonl, every format says the same, claims get their verdicts and
# exit codes, and a table over 10,000 runs comes in time. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
results=$work/results file=$work/table.yaml
cat >"$file" <<YAML
run: train
name: tests/table
data: {name: shapes, size: 8, n_train: 96, n_test: 64, valid: 32}
model: {name: mlp, hidden: [8]}
optimizer: {name: sgd, lr: 0.05}
train: {steps: 20, batch_size: 32, eval_every: 5}
sweep:
  optimizer.lr: [0.001, 0.1]
  model.hidden: [[8], [16]]
  train.seed: {range: [1, 3]}
search: {by: valid.loss, over: optimizer.lr}
table:
  - title: Loss
    rows: model.hidden
    columns: optimizer.lr
    metric: {name: test.loss, digits: 6}
    paper: {0.1: {"[8]": 9.5}}
  - title: Best
    rows: model.hidden
    metrics: [{name: test.loss, at: 10, digits: 6}, {name: run.parameters, digits: 0}, train.top1]
claims:
  - {say: "training helps", test: 'column("0.1") < column("0.001")', table: Loss}
  - {say: "wider has more", test: 'cell("[16]", run.parameters) > cell("[8]", run.parameters)', table: 2}
YAML
table() { "$SEQLAB" table --results "$results" "$@" "$file"; }
train() {
    for width in 8 16; do
        for lr in 0.001 0.1; do
            for seed in 1 2 3; do
                "$SEQLAB" train -q --threads 1 --results "$results" "$file" optimizer.lr=$lr "model.hidden=[$width]" train.seed=$seed
            done
        done
    done
}
check() { if [ "$1" = "$2" ]; then ok; else not_ok "'$1' instead of '$2'"; fi }
# What Python finds in the JSON table.
json() { table --json | python3 -c "import json, sys; t = json.load(sys.stdin); print($1)"; }

name="table without runs: not run, exit code 0"
table >"$work/out" 2>"$work/err"
check "$? $(grep -c '^not run' "$work/out") $(grep -o '12 runs of 12 missing' "$work/out")" "0 2 12 runs of 12 missing"
name="table --check without runs: exit code 6"
table --check >"$work/out" 2>"$work/err"
check "$? $(cat "$work/err")" "6 $file: 2 of 2 claims not run"

train >"$work/out" 2>&1 || cat "$work/out"
name="table: all runs are found" && check "$(json 't["runs"], t["missing"], t["command"][:12]')" "12 0 seqlab sweep"
name="table --check when claims hold: exit code 0"
table --check >"$work/out" 2>"$work/err"
check "$? $(cat "$work/err")" "0 "

# The mean and the deviation of a cell by Python, from the runs that the cell names.
cat >"$work/cell.py" <<'PYTHON'
import json, statistics, sys
results, t = sys.argv[1], json.load(sys.stdin)
def lines(run): return [json.loads(x) for x in open(f"{results}/tests/table/{run}/metrics.jsonl")]
wrong = []
for table, step in ((0, 20), (1, 10)):
    for c in t["tables"][table]["cells"]:
        if c["metric"] != "test.loss": continue
        x = [l["test.loss"] for run in c["runs"] for l in lines(run) if l["step"] == step]
        if len(x) != 3 or abs(statistics.mean(x) - c["mean"]) > 1e-12 or abs(statistics.stdev(x) - c["std"]) > 1e-12: wrong.append(c)
for c in t["tables"][1]["cells"]: # a search looks where the first metric does: at step 10, the second line
    other = {run for d in t["tables"][0]["cells"] if d["row"] == c["row"] for run in d["runs"]} - set(c["runs"])
    def by(runs): return statistics.mean(lines(r)[1]["valid.loss"] for r in runs)
    if by(c["runs"]) > by(other): wrong.append(("search", c))
print("right" if not wrong else wrong[0])
PYTHON
name="table: cells are the mean and the deviation of the runs, a search keeps the better"
check "$(table --json | python3 "$work/cell.py" "$results")" right
name="table: lists of a row are shown as they are" && check "$(table | grep -c '^\[16\] ')" 2
name="table: a paper's value is beside ours" && check "$(table | grep -c '^\[8\] .*\[9.500000\] -[78]\.')" 1
name="table --format csv: as many numbers as cells"
check "$(table --format csv | python3 -c 'import csv, sys; print(sum(float(r["mean"]) >= 0 for r in csv.DictReader(sys.stdin)))')" 10
name="table --format csv: the numbers of --json"
table --json >"$work/json"
check "$(table --format csv | python3 -c 'import csv, json, sys
cells = [c for t in json.load(open(sys.argv[1]))["tables"] for c in t["cells"]]
print(all(float(r["mean"]) == c["mean"] and float(r["ci_low"]) == c["ci_low"] for r, c in zip(csv.DictReader(sys.stdin), cells)))' "$work/json")" True
name="table --format md: two tables and a list of claims"
check "$(table --format md | grep -c '^|---|') $(table --format md | grep -c '^- \*\*holds')" "2 2"
name="table --format latex: rows end, groups are closed"
check "$(table --format latex | python3 -c 'import sys; t = sys.stdin.read(); print(t.count("begin{"), t.count("end{"), t.count("{") - t.count("}"))')" "4 4 0"
name="table --format html: well-formed"
check "$(table --format html | python3 -c 'import sys, re, xml.dom.minidom as d
t = sys.stdin.read().replace("<!doctype html>", "").replace("&plusmn;", "+").replace("&ndash;", "-")
d.parseString(re.sub("<(meta[^>]*)>", r"<\1/>", t)); print("parsed")')" parsed
name="table -o: written whole, the same text"
table >"$work/out"
table -o "$work/file" >"$work/none"
if cmp -s "$work/out" "$work/file" && [ ! -s "$work/none" ]; then ok; else not_ok "it differs"; fi
name="table: the same bytes every time"
if table --json | cmp -s - "$work/json"; then ok; else not_ok "it differs"; fi

name="table --check when a claim fails: exit code 6"
"$SEQLAB" table --check --results "$results" "$file" 'claims=[{say: x, test: "row(\"[8]\") > 100", table: 1}]' >"$work/out" 2>"$work/err"
check "$? $(grep -c '^fails' "$work/out")" "6 1"
name="table: an unfinished run is not averaged in"
run=$(find "$results" -name run.json | sort | head -n 1)
sed -i 's/"status": "done"/"status": "failed"/' "$run"
check "$(json 't["missing"], t["failed"], sorted(c["n"] for c in t["tables"][0]["cells"])')" "1 1 [2, 3, 3, 3]"

# Ten thousand runs, each with its own run.json: copies of one with their own ids.
name="table over 10,000 runs in time"
cat >"$work/many.yaml" <<YAML
run: train
name: tests/many
data: {name: shapes, size: 8, n_train: 96, n_test: 64}
model: {name: mlp, hidden: [4]}
train: {steps: 1, batch_size: 32}
sweep:
  optimizer.lr: {log_range: [1e-4, 1e-1, 1000]}
  train.seed: {range: [1, 10]}
table: {rows: optimizer.lr, metric: test.top1}
YAML
"$SEQLAB" train -q --threads 1 --results "$results" "$work/many.yaml" optimizer.lr=0.0001 >"$work/out"
one=$(head -n 1 "$work/out")
"$SEQLAB" sweep --results "$results" --dry-run --json "$work/many.yaml" | python3 -c 'import json, os, sys
text = open(sys.argv[1] + "/run.json").read()
for run in json.load(sys.stdin):
    os.makedirs(run["folder"], exist_ok=True)
    with open(run["folder"] + "/run.json", "w") as f: f.write(text)' "$one"
"$SEQLAB" table --results "$results" "$work/many.yaml" >"$work/out"
rows=$(grep -c '(10)' "$work/out")
if [ "$rows" -ne 1000 ]; then not_ok "$rows rows"; else
    took=$(python3 -c 'import subprocess, sys, resource
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
u = resource.getrusage(resource.RUSAGE_CHILDREN); print(u.ru_utime + u.ru_stime)' "$SEQLAB" table --results "$results" "$work/many.yaml")
    if python3 -c "import sys; sys.exit($took > 2 * $slow)"; then ok; else not_ok "$took s of CPU"; fi
fi
