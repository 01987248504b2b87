#!/bin/sh
# seqlab report over real runs: the page is well-formed, asks for nothing outside itself, names every run, has the verdicts,
# tables with captions and headings in order; hostile texts stay texts. In a real headless Chromium, where it is installed: no
# console error and no network request, light and dark differ. Environment: SEQLAB, CHROMIUM.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
command -v python3 >/dev/null || { echo "skip report: no python3"; exit 0; }
cd "$work" || exit 2
mkdir -p paper empty
cat >paper/README.md <<'MD'
Not yet.

# Shapes & <b>bold</b> networks

text
MD
cat >paper/common.yaml <<'YAML'
optimizer: {name: sgd, lr: 0.05}
YAML
cat >paper/rates.yaml <<'YAML'
# Learning rates <script>alert("comment")</script>, with `lr` from small to large.
#
# A second part.
extends: common.yaml
run: train
name: tests/paper/rates
paper: {id: "arXiv:0000.00000 <i>", table: Table 1}
data: {name: shapes, size: 8, n_train: 96, n_test: 64, valid: 32}
model: {name: mlp, hidden: [8]}
train: {steps: 20, batch_size: 32, eval_every: 5}
sweep:
  optimizer.lr: [0.001, 0.1]
  train.seed: {range: [1, 3]}
table:
  title: Loss "of" <em>all</em>
  rows: optimizer.lr
  metric: {name: test.loss, digits: 4}
  paper: {0.1: 1.5}
claims:
  - {say: "training helps </li><script>alert('claim')</script>", test: "row(0.1) < row(0.001)"}
  - {say: "it does not", test: "row(0.1) > row(0.001)"}
YAML
cat >paper/widths.yaml <<'YAML'
run: train
name: tests/paper/widths
data: {name: shapes, size: 8, n_train: 96, n_test: 64}
model: {name: mlp}
train: {steps: 10, batch_size: 32}
sweep:
  together:
    - {model.hidden: [4], optimizer.name: sgd}
    - {model.hidden: [16], optimizer.name: adam}
table: {title: Width, rows: model.hidden, metric: test.loss}
claims: [{say: "wider is better", test: 'row("[16]") < row("[4]")'}]
YAML
for lr in 0.001 0.1; do
    for seed in 1 2 3; do
        "$SEQLAB" train -q --threads 1 paper/rates.yaml optimizer.lr=$lr train.seed=$seed >out || cat out
    done
done
# one of the second file's runs is done, the other was never started
"$SEQLAB" train -q --threads 1 paper/widths.yaml 'model.hidden=[4]' optimizer.name=sgd >out || cat out

cat >check.py <<'PY'
import html.parser, re, sys
VOID = {'meta', 'link', 'br', 'img', 'hr', 'input'}
class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.wrong, self.tables, self.headings, self.text = [], [], [], [], [], [], ''
        self.feed(text)
        if self.open: self.wrong.append(f'open: {self.open}')
    def handle_starttag(self, tag, attributes, closed=False):
        for name, value in attributes:
            if name == 'id': self.ids.append(value)
            if name in ('src', 'href', 'xlink:href', 'action', 'data', 'srcset', 'poster'): self.links.append(value)
            if name.startswith('on'): self.wrong.append(f'handler {name}')
        if tag in ('script', 'b-x', 'iframe', 'object', 'embed', 'em', 'i'): self.wrong.append(f'element {tag}')
        if tag == 'table': self.tables.append(False)
        if tag == 'caption': self.tables[-1] = True
        if re.fullmatch('h[1-6]', tag): self.headings.append(int(tag[1]))
        if tag not in VOID and not closed: self.open.append(tag)
    def handle_startendtag(self, tag, attributes): self.handle_starttag(tag, attributes, True)
    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag: self.wrong.append(f'</{tag}> at {self.getpos()}')
    def handle_data(self, data): self.text += data
text = open(sys.argv[1], encoding='utf-8').read()
p = Page(text)
wrong = p.wrong
if not text.startswith('<!doctype html>\n<html lang="en">'): wrong.append('no doctype')
if len(set(p.ids)) != len(p.ids): wrong.append('an id twice')
for link in p.links:
    if link.startswith('#') and link[1:] not in p.ids: wrong.append(f'{link} leads nowhere')
    if not link.startswith(('#', 'data:')): wrong.append(f'link {link}')
if re.search(r'@import|url\(', text): wrong.append('style from outside')
if not all(p.tables): wrong.append('a table without caption')
if p.headings[:1] != [1] or p.headings.count(1) != 1: wrong.append('no single h1')
if any(b > a + 1 for a, b in zip(p.headings, p.headings[1:])): wrong.append('a heading skips a level')
for word in sys.argv[2:]:
    if word not in p.text: wrong.append(f'no "{word}"')
print('; '.join(wrong) or 'right')
PY
check() { if [ "$1" = "$2" ]; then ok; else not_ok "'$1' instead of '$2'"; fi; }
report() { "$SEQLAB" report "$@"; }
runs=$(find results -name run.json | xargs -n 1 dirname | xargs -n 1 basename)
absent=$("$SEQLAB" sweep --dry-run --json paper/widths.yaml |
    python3 -c 'import json, sys; print(*[r["id"] for r in json.load(sys.stdin) if r["status"] == "absent"])')

name="report: written beside the runs, its name on stdout"
check "$(report paper)" results/tests/paper/report.html
page=results/tests/paper/report.html
name="report: well-formed, nothing from outside, every run, every text"
check "$(python3 check.py $page 'Shapes & <b>bold</b> networks' '<script>alert("comment")</script>, with ' 'A second part.' \
    'arXiv:0000.00000 <i>' 'Loss "of" <em>all</em>' "</li><script>alert('claim')</script>" paper/common.yaml $runs $absent)" right
name="report: the verdicts are those of table"
for file in rates widths; do "$SEQLAB" table paper/$file.yaml; done | grep -oE '^(holds weakly|holds|fails|not run)' | sort >verdicts
check "$(sed -n '/<h3>Claims/,/<\/ul>/s/^<li class="[a-z-]*"><b>\([a-z ]*\)<.*/\1/p' $page | sort)" "$(cat verdicts)"
name="report --json: runs and claims are counted"
check "$(report paper --json | python3 -c 'import json, sys
r = json.load(sys.stdin); c = r["claims"]
print(r["experiments"], r["runs"]["all"], r["runs"]["done"], r["runs"]["absent"], sum(c.values()), c["fails"], c["not run"], r["cpu_s"] > 0)')" \
    "2 8 7 1 3 1 1 True"
name="report: the paper's value and the difference"
check "$(grep -c '<span class="paper">\[1.5000\]</span> <span class="difference">[+-]' $page)" 1
name="report: where the runs differ, and by what"
check "$(sed -n 's/<tr><th scope="row"><code>\([a-z_.]*\)<.*<td>\(swept\|follows\).*/\1 \2/p' $page | grep -E 'hidden|lr|seed|eps|momentum' | sort | tr '\n' ' ')" \
    "model.hidden swept optimizer.eps follows optimizer.lr follows optimizer.lr swept optimizer.momentum follows train.seed swept "
name="report: a plot a figure"
if [ "$(grep -c '<figure' $page)" -ge 3 ] && [ "$(grep -c '<figure' $page)" = "$(grep -c '<svg' $page)" ]; then ok; else not_ok none; fi
name="report: the same bytes again, also on stdout"
if report paper -o - | cmp - $page; then ok; else not_ok differs; fi
name="report: one file, with key=value"
report paper/rates.yaml claims=[] -o one.html >out
check "$(python3 check.py one.html "seqlab sweep paper/rates.yaml 'claims=[]'" 'The files make no claims.')$(cat out)" right

name="report: a failed run is named with its error"
failed=$(echo "$runs" | head -n 1)
record=$(find results -name "$failed")/run.json
sed -i 's/"status": "done"/"status": "failed"/; s/"error": null/"error": "loss is NaN <at> step 7"/' "$record"
report paper -o failed.html
check "$(python3 check.py failed.html "Failed: $failed (loss is NaN <at> step 7)")" right
name="report: without any run"
report paper --results nowhere -o none.html
check "$(python3 check.py none.html 'Not started' '0 of 8' 'No plots: no run of tests/paper/rates is there') $(ls -d nowhere 2>/dev/null)" "right "
name="report: data that are not here are no failure"
printf 'data: {name: fashion_mnist, folder: %s}\nmodel: {name: mlp}\ntrain: {steps: 1}\ntable: {rows: train.seed, metric: test.top1}\nclaims: [{say: x, test: row(1) > 2}]\n' \
    "$work/empty" >absent.yaml
report absent.yaml -o absent.html 2>err
check "$(python3 check.py absent.html 'Not run here' '1 not run')$(cat err)" right
name="report: the mistakes of all files"
printf 'modle: {}\n' >>paper/rates.yaml
printf 'modle: {}\n' >>paper/widths.yaml
report paper -o bad.html 2>err
check "$? $(grep -c "unknown key 'modle'" err) $(ls bad.html 2>/dev/null)" "3 2 "

chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)}
if [ -z "$chromium" ]; then
    echo "skip report in Chromium: not installed"
    exit 0
fi
# browse FILE [flag ...]: its picture shot.png, console lines in console, in requests the addresses that the page asked for
# (those without an origin are the browser's own: its clock, its updates)
browse() {
    file=$1
    shift
    rm -rf profile net.json shot.png
    timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --disable-default-apps --disable-extensions --user-data-dir="$work/profile" \
        --enable-logging=stderr --log-net-log="$work/net.json" --window-size=1000,2000 --screenshot="$work/shot.png" "$@" \
        "file://$work/$file" >log 2>&1 </dev/null
    grep CONSOLE log >console
    python3 -c 'import json, sys
text = open("net.json").read().rstrip().rstrip(",")
try: log = json.loads(text)
except ValueError: log = json.loads(text + "]}") # was cut short
events = [e.get("params", {}) for e in log["events"]]
for url in sorted({p["url"] for p in events if "url" in p and p.get("initiator", "not an origin") != "not an origin"}): print(url)' >requests 2>&1
}
name="report in Chromium: the check sees a request and a console error"
cat >control.html <<'HTML'
<!doctype html><title>x</title><img src="http://127.0.0.1:9/x.png"><script>console.error("seen")</script>
HTML
browse control.html
if [ ! -s shot.png ]; then
    echo "skip report in Chromium: it does not start here"
    exit 0
fi
if grep -q seen console && grep -q 127.0.0.1:9 requests; then ok; else not_ok "$(cat console requests)"; fi
cp $page page.html
browse page.html
cp shot.png light.png
name="report in Chromium: no console message" && check "$(cat console)" ""
name="report in Chromium: no request" && check "$(grep -v '^file:' requests)" ""
name="report in Chromium: dark where the reader wants it dark"
browse page.html --blink-settings=preferredColorScheme=0
if cmp -s shot.png light.png; then not_ok "as light"; else ok; fi
