#!/bin/sh
# Pruned weights as files: masks have exact counts and no tensors of their own; a smaller model is taken by eval and, through
# its architecture file, by train; zeros for whole channels compute what the network without these channels does; a failure
# writes nothing. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
command -v python3 >/dev/null || { echo "skip prune_files: no python3"; exit 0; }
cd "$work" || exit 2
cat >net.yaml <<'YAML'
data: {name: shapes, size: 8, n_train: 200, n_test: 100}
model: {name: mlp, hidden: [16]}
train: {steps: 20, batch_size: 20}
YAML
run=$("$SEQLAB" train -q net.yaml | head -n 1)
weights=$run/checkpoint/model.safetensors

cat >st.py <<'PY'
import array, json, struct
def load(path):
    data = open(path, 'rb').read()
    n, = struct.unpack('<Q', data[:8])
    head = json.loads(data[8:8 + n])
    head.pop('__metadata__', None)
    out = {}
    for name, t in head.items():
        a, b = t['data_offsets']
        out[name] = (t['shape'], list(array.array('f', data[8 + n + a:8 + n + b])))
    return out
def save(path, tensors):
    head, body = {}, b''
    for name, (shape, values) in sorted(tensors.items()):
        raw = array.array('f', values).tobytes()
        head[name] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    open(path, 'wb').write(struct.pack('<Q', len(text)) + text + body)
PY

name="prune_files masks have exact counts"
"$SEQLAB" prune -q --method prune --ratio 0.75 "$weights" -o masked.safetensors >/dev/null &&
    python3 - "$weights" <<'PY' && ok || not_ok "other counts"
import sys
sys.path.insert(0, '.')
import st
a, b = st.load(sys.argv[1]), st.load('masked.safetensors')
assert a.keys() == b.keys()
layers = [k for k in a if len(a[k][0]) == 2]
total = sum(len(a[k][1]) for k in layers)
assert sum(v != 0 for k in layers for v in b[k][1]) == total - round(0.75 * total)
kept = min(abs(v) for k in layers for v in b[k][1] if v)
gone = max(abs(x) for k in layers for x, y in zip(a[k][1], b[k][1]) if not y)
assert gone <= kept
assert all(x == y or not y for k in a for x, y in zip(a[k][1], b[k][1]))
PY

name="prune_files the smaller model is taken by eval and by train"
"$SEQLAB" prune -q --method precrop --ratio 0.5 "$weights" -o small.safetensors >/dev/null
"$SEQLAB" eval -q net.yaml --checkpoint small.safetensors >a || not_ok "eval of net.yaml"
sed 's/^model:.*/extends: small.yaml/' net.yaml >net2.yaml
"$SEQLAB" eval -q net2.yaml --checkpoint small.safetensors >b || not_ok "eval of net2.yaml"
"$SEQLAB" train -q net2.yaml >/dev/null && cmp -s a b && ok || not_ok "they differ"

name="prune_files channels of zeros are channels that are not there"
python3 - "$weights" <<'PY'
import sys
sys.path.insert(0, '.')
import st
t = st.load(sys.argv[1])
first, last = sorted((k for k in t if len(t[k][0]) == 2), key=lambda k: t[k][0][0] == 16, reverse=True)
bias = first.replace('weight', 'bias')
(rows, cols), w = t[first]
gone = {1, 4, 5, 15}
keep = [i for i in range(rows) if i not in gone]
zero = dict(t)
zero[first] = ([rows, cols], [0 if i // cols in gone else v for i, v in enumerate(w)])
zero[bias] = ([rows], [0 if i in gone else v for i, v in enumerate(t[bias][1])])
crop = dict(t)
crop[first] = ([len(keep), cols], [v for i in keep for v in w[i * cols:(i + 1) * cols]])
crop[bias] = ([len(keep)], [t[bias][1][i] for i in keep])
out = t[last][0][0]
crop[last] = ([out, len(keep)], [t[last][1][o * rows + i] for o in range(out) for i in keep])
st.save('zero.safetensors', zero)
st.save('crop.safetensors', crop)
PY
"$SEQLAB" eval -q --json net.yaml --checkpoint zero.safetensors >zero.json
"$SEQLAB" eval -q --json net.yaml --checkpoint crop.safetensors 'model.hidden=[12]' >crop.json
python3 -c "
import json
a, b = json.load(open('zero.json')), json.load(open('crop.json'))
assert abs(a['loss'] - b['loss']) < 1e-6 * a['loss'] and a['top1'] == b['top1'], (a['loss'], b['loss'])" && ok || not_ok "other results"

name="prune_files precrop keeps the rows with the largest norms, and what they compute"
"$SEQLAB" prune -q --method precrop --ratio 0.5 "$weights" -o small.safetensors >/dev/null
python3 - "$weights" <<'PY'
import sys
sys.path.insert(0, '.')
import st
a, b = st.load(sys.argv[1]), st.load('small.safetensors')
first = next(k for k in a if len(a[k][0]) == 2 and a[k][0][0] == 16)
(rows, cols), w = a[first]
row = [w[i * cols:(i + 1) * cols] for i in range(rows)]
norm = sorted(range(rows), key=lambda i: -sum(v * v for v in row[i]))
n = b[first][0][0]
assert 1 < n < rows
keep = sorted(norm[:n])
assert b[first][1] == [v for i in keep for v in row[i]]
bias = first.replace('weight', 'bias')
zero = dict(a)
zero[first] = ([rows, cols], [v if i // cols in keep else 0 for i, v in enumerate(w)])
zero[bias] = ([rows], [v if i in keep else 0 for i, v in enumerate(a[bias][1])])
st.save('zero.safetensors', zero)
PY
[ $? -eq 0 ] && "$SEQLAB" eval -q --json net.yaml --checkpoint zero.safetensors >zero.json &&
    "$SEQLAB" eval -q --json net2.yaml --checkpoint small.safetensors >small.json &&
    python3 -c "
import json
a, b = json.load(open('zero.json')), json.load(open('small.json'))
assert abs(a['loss'] - b['loss']) < 1e-6 * a['loss'], (a['loss'], b['loss'])" && ok || not_ok "other rows or results"

name="prune_files method.keep=none gives first values"
"$SEQLAB" prune --method precrop --ratio 0.5 method.keep=none "$weights" -o new.safetensors 2>err >/dev/null
grep -q "new first values" err && python3 -c "
import sys
import st
a, b = st.load('small.safetensors'), st.load('new.safetensors')
assert all(a[k][0] == b[k][0] for k in a) and any(a[k][1] != b[k][1] for k in a)" && ok || not_ok "$(cat err)"

name="prune_files masks beside tensors multiply them"
python3 - "$weights" <<'PY'
import sys
sys.path.insert(0, '.')
import st
t = st.load(sys.argv[1])
done = dict(t)
for k in list(t):
    if len(t[k][0]) != 2: continue
    mask = [1.0 if i % 3 else 0.0 for i in range(len(t[k][1]))]
    done[k] = (t[k][0], [v * m for v, m in zip(t[k][1], mask)])
    t[k + '_mask'] = (t[k][0], mask)
    t[k + '_rewind'] = t[k]
st.save('beside.safetensors', t)
st.save('done.safetensors', done)
PY
for f in beside done; do
    "$SEQLAB" prune -q --method precrop --ratio 0.5 $f.safetensors -o "$f.small.safetensors" \
        "data={name: shapes, size: 8, n_train: 200, n_test: 100}" "model={name: mlp, hidden: [16]}" >/dev/null
    "$SEQLAB" eval -q net.yaml --checkpoint $f.safetensors >$f.eval
done
cmp beside.small.safetensors done.small.safetensors && cmp beside.eval done.eval && ok || not_ok "they differ"

cat >res.yaml <<'YAML'
data: {name: shapes, size: 8, n_train: 200, n_test: 100}
model: {name: resnet20, width: 4}
train: {steps: 4, batch_size: 20}
YAML
res=$("$SEQLAB" train -q res.yaml | head -n 1)/checkpoint/model.safetensors

name="prune_files blocks and filters go from files, and what stays is as it was"
for m in "layer_lottery --ratio 0.4 method.criterion=l1" "layer_lottery method.p=2" "filter_prune --ratio 0.3" \
    "filter_prune method.filters=5 method.criterion=random"; do
    # shellcheck disable=SC2086 # words
    "$SEQLAB" prune -q --method $m "$res" -o less.safetensors >/dev/null || { not_ok "$m"; break; }
    printf 'extends: less.yaml\n' | cat - res.yaml | sed '/^model:/d' >less2.yaml
    "$SEQLAB" eval -q less2.yaml --checkpoint less.safetensors >/dev/null &&
        python3 - "$res" <<'PY' || { not_ok "$m"; break; }
import sys
sys.path.insert(0, '.')
import st
a, b = st.load(sys.argv[1]), st.load('less.safetensors')
whole = [k for k in b if a[k][0] == b[k][0]]
assert all(a[k][1] == b[k][1] for k in whole) and len(whole) > 40
assert sum(len(v[1]) for v in b.values()) < sum(len(v[1]) for v in a.values())
PY
    [ "$m" = "filter_prune method.filters=5 method.criterion=random" ] && ok
done

name="prune_files criteria that look at data say so where there are none, the others do without"
mkdir -p empty
SEQLAB_DATA=empty "$SEQLAB" prune -q --method layer_lottery "$res" --dry-run "data={name: mnist}" >out 2>err
code=$?
SEQLAB_DATA=empty "$SEQLAB" prune -q --method layer_lottery "$res" --dry-run "data={name: mnist}" method.criterion=l1 >out 2>>err &&
    [ $code -ne 0 ] && grep -q "the method's scores look at examples" err && ok || not_ok "code $code: $(cat err)"

name="prune_files both files are written or none"
mkdir -p there.yaml
"$SEQLAB" prune -q --method precrop --ratio 0.5 "$weights" -o there.safetensors >/dev/null 2>&1
code=$?
[ $code -ne 0 ] && [ -z "$(find . -maxdepth 1 -name 'there*' ! -name there.yaml)" ] && ok || not_ok "code $code: $(ls)"

name="prune_files a failure writes nothing"
"$SEQLAB" prune -q --method precrop --ratio 0.5 "$weights" -o none.safetensors model.hidden='[17]' >/dev/null 2>&1
code=$?
[ $code -ne 0 ] && [ ! -e none.safetensors ] && [ ! -e none.yaml ] && ok || not_ok "code $code: $(ls)"
