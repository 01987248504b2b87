#!/bin/sh
# Every kind of plot as a file that others can read: SVG is well-formed XML with text and a title and the same bytes each
# time, PNG decodes to its size and is not blank (both by python3's own modules); a run that is being written is no
# obstacle; colours in the terminal follow NO_COLOR. Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
command -v python3 >/dev/null || { echo "skip plot: no python3"; exit 0; }
cp tests/cli/plots.yaml "$work"
cd "$work" || exit 2
"$SEQLAB" sweep -q --threads 1 plots.yaml >/dev/null || exit 1

cat >check.py <<'PY'
import struct, sys, xml.etree.ElementTree as ET, zlib
path = sys.argv[1]
data = open(path, 'rb').read()
if path.endswith('.svg'):
    root = ET.fromstring(data)
    tags = [e.tag.split('}')[1] for e in root.iter()]
    assert root.tag == '{http://www.w3.org/2000/svg}svg', root.tag
    assert tags[1] == 'title' and root[0].text, 'no title'
    assert tags.count('text') >= 3, 'no text'
    assert any(t in tags for t in ('polyline', 'polygon', 'image')), 'nothing drawn'
else:
    assert data[:8] == b'\x89PNG\r\n\x1a\n', 'no PNG'
    at, pixels = 8, b''
    while at < len(data):
        n, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + n]
        assert struct.unpack('>I', data[at + 8 + n:at + 12 + n])[0] == zlib.crc32(kind + body), 'CRC'
        if kind == b'IHDR':
            width, height, depth, color = struct.unpack('>IIBB', body[:10])
        if kind == b'IDAT':
            pixels += body
        at += 12 + n
    raw = zlib.decompress(pixels)
    assert (depth, color) == (8, 2) and len(raw) == height * (3 * width + 1), 'size'
    assert width == int(sys.argv[2]), 'width %d' % width
    assert len(set(raw)) > 20, 'blank'
PY

"$SEQLAB" plot plots.yaml >files
for file in $(cat files); do
    name="plot, $(basename "$file") is well-formed"
    if why=$(python3 check.py "$file" 2>&1); then ok; else not_ok "$why"; fi
done

name="plot, all panels in one SVG"
"$SEQLAB" plot plots.yaml -o all.svg
if why=$(python3 check.py all.svg 2>&1); then ok; else not_ok "$why"; fi

name="plot, the same bytes again"
"$SEQLAB" plot plots.yaml -o again.svg
if cmp -s all.svg again.svg; then ok; else not_ok "all.svg and again.svg differ"; fi

name="plot, PNG"
if ! "$SEQLAB" plot plots.yaml --kind curve -o light.png 2>err; then
    if grep -q 'no font for a PNG' err; then echo "skip $name: no font here"; else not_ok "$(cat err)"; fi
else
    "$SEQLAB" plot plots.yaml --kind curve -o dark.png --dark
    if ! why=$(python3 check.py light.png 1440 && python3 check.py dark.png 1440); then
        not_ok "$why"
    elif cmp -s light.png dark.png; then
        not_ok "light and dark are the same"
    else
        ok
    fi
fi

name="plot, a line that is being written is left out"
"$SEQLAB" plot plots.yaml --kind curve -o before.svg
for run in results/tests/plots/*/metrics.jsonl; do printf '{"step":9,"epoch":3,"train.loss":99' >>"$run"; done
"$SEQLAB" plot plots.yaml --kind curve -o after.svg
if cmp -s before.svg after.svg; then ok; else not_ok "the curve has changed"; fi

name="plot, a diverged value is a gap"
for run in results/tests/plots/*/metrics.jsonl; do printf ',"valid.loss":"NaN"}\n' >>"$run"; done
"$SEQLAB" plot plots.yaml --kind curve --metric valid.loss -o nan.svg
if why=$(python3 check.py nan.svg 2>&1) && ! grep -q nan nan.svg; then ok; else not_ok "$why"; fi

# on_terminal: what the command prints when its output is a terminal
on_terminal() {
    TERM=xterm COLUMNS=60 python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' \
        "$SEQLAB" plot plots.yaml --kind curve </dev/null
}

name="plot, shown on a terminal, in colours"
on_terminal >shown
if grep -q "$(printf '\033\[94m')" shown && grep -q 'train.loss' shown; then ok; else not_ok "$(head -n 3 shown)"; fi

name="plot, NO_COLOR"
NO_COLOR=1 on_terminal >shown
if grep -q 'train.loss' shown && ! grep -q "$(printf '\033')" shown; then ok; else not_ok "$(head -n 3 shown)"; fi
