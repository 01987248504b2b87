#!/bin/sh
# The TensorBoard file of a run, read back by readers that share no code with ours: one in Python's standard library
# (TFRecord framing with its masked CRC-32C, protobuf fields), and TensorBoard's own where it is installed.
# Environment: SEQLAB, TENSORBOARD_PYTHON (a python that has tensorboard; default python3).
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
cd "$work" || exit 2
cat >run.yaml <<YAML
run: train
name: tests/events
data: {name: shapes, size: 8, n_train: 96, n_test: 64}
model: {name: mlp, hidden: [16]}
optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
train: {steps: 6, batch_size: 32, eval_every: 3, seed: 1}
YAML
"$SEQLAB" train -q run.yaml --events=all >out 2>err || cat err
run=$(run_of results)

cat >read.py <<'PYTHON'
import glob, json, math, struct, sys, zlib
TABLE = []
for k in range(256):
    for _ in range(8):
        k = k >> 1 ^ (0x82F63B78 if k & 1 else 0)
    TABLE.append(k)
def masked(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
def records(path):
    data, at = open(path, 'rb').read(), 0
    while at < len(data):
        head = data[at:at + 8]
        n, crc = struct.unpack('<Q', head)[0], struct.unpack('<I', data[at + 8:at + 12])[0]
        assert crc == masked(head), 'crc of a length'
        body = data[at + 12:at + 12 + n]
        assert struct.unpack('<I', data[at + 12 + n:at + 16 + n])[0] == masked(body), 'crc of a record'
        at += 16 + n
        yield body
def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
def fields(data):
    at, out = 0, {}
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            n = {1: 8, 5: 4}.get(kind)
            if kind == 2:
                n, at = varint(data, at)
            value, at = data[at:at + n], at + n
        out.setdefault(key >> 3, []).append(value)
    return out
folder = sys.argv[1]
scalars, images, histograms = {}, {}, {}
for i, body in enumerate(records(glob.glob(folder + '/events.out.tfevents.*')[0])):
    event = fields(body)
    if i == 0:
        assert event[3] == [b'brain.Event:2'], 'version'
        continue
    step = event.get(2, [0])[0]
    value = fields(fields(event[5][0])[1][0])
    tag = value[1][0].decode()
    if 2 in value:
        scalars[tag, step] = struct.unpack('<f', value[2][0])[0]
    elif 4 in value:
        images[tag, step] = fields(value[4][0])
    elif 5 in value:
        histograms[tag, step] = fields(value[5][0])
lines = [json.loads(line) for line in open(folder + '/metrics.jsonl')]
for line in lines:
    for name, x in line.items():
        if name in ('step', 'epoch'):
            continue
        found = scalars.pop((name, line['step']))
        assert found == struct.unpack('<f', struct.pack('<f', x))[0], (name, found, x)
assert not scalars, scalars
assert len(images) == 8, len(images)
for image in images.values():
    height, width, png = image[1][0], image[2][0], image[4][0]
    assert png[:8] == b'\x89PNG\r\n\x1a\n' and struct.unpack('>II', png[16:24]) == (width, height) == (8, 8)
names = {tag for tag, _ in histograms}
assert len(names) == 8 and len(histograms) == 8 * len(lines), names
for (tag, _), h in histograms.items():
    low, high, num, total, squares = (struct.unpack('<d', h[k][0])[0] for k in range(1, 6))
    limits = struct.unpack('<64d', h[6][0])
    counts = struct.unpack('<64d', h[7][0])
    assert sum(counts) == num > 0 and list(limits) == sorted(limits) and low <= high
    assert abs(limits[-1] - high) <= 1e-9 * max(1, abs(high)) or low == high, (tag, limits[-1], high)
    assert squares + 1e-12 >= total * total / num
print('read', len(lines), 'evaluations')
PYTHON
name="a run's events are read by a reader of the standard library"
if python3 read.py "$run" >out 2>err; then ok; else not_ok "$(tail -n 1 err)"; fi

python=${TENSORBOARD_PYTHON:-python3}
name="a run's events are read by TensorBoard"
if $python -c 'import tensorboard' 2>/dev/null; then
    cat >tb.py <<'PYTHON'
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
e = EventAccumulator(sys.argv[1], size_guidance={'images': 0, 'histograms': 0, 'scalars': 0})
e.Reload()
tags = e.Tags()
assert 'test.top1' in tags['scalars'] and [s.step for s in e.Scalars('test.top1')] == [3, 6]
assert e.Images('train/example/0')[0].width == 8
h = e.Histograms('weights/fc.weight')[-1].histogram_value
assert sum(h.bucket) == h.num
PYTHON
    if $python tb.py "$run" >out 2>err; then ok; else not_ok "$(tail -n 1 err)"; fi
else
    echo "skip $name: it is not installed"
fi
