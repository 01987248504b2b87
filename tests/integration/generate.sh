#!/bin/sh
# Text of the published 260k-parameter Llama, imported by `seqlab init`: the reference program's own, and the same on a
# terminal, where it is printed as it comes. Environment: SEQLAB; SEQLAB_SHARED, the folder above the shared data.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
data=$(realpath "${SEQLAB_SHARED:-../shared}")/data/tinyllama_260k
[ -e "$data/stories260K.bin" ] || { echo "skip generate: $data is not there"; exit 0; }
"$SEQLAB" init --help >/dev/null 2>&1 || { echo "skip generate: there is no 'seqlab init'"; exit 0; }
"$SEQLAB" init -q --method=import "$data/stories260K.bin" --tokenizer "$data/tok512.bin" -o "$work/model" >/dev/null ||
    { echo "not ok generate import"; exit 1; }

name="generate writes the reference program's text"
"$SEQLAB" generate -q "$work/model" max_new_tokens=256 >"$work/text"
if cmp "$work/text" "$data/expected_greedy.txt"; then ok; else not_ok "another text"; fi

name="generate writes the same with 1 and 3 threads, and whatever goes beside it"
printf 'Once upon a time\nThe cat\nLily and Tom\n' >"$work/prompts"
for how in "--threads 1" "--threads 3" "--batch 1" "--batch 2"; do
    # shellcheck disable=SC2086 # two words
    "$SEQLAB" generate -q "$work/model" --json $how --prompt - max_new_tokens=40 do_sample=true <"$work/prompts"
done | sort -u >"$work/all"
if [ "$(wc -l <"$work/all")" -eq 3 ]; then ok; else not_ok "$(wc -l <"$work/all") different texts of 3"; fi

command -v python3 >/dev/null || { echo "skip generate on a terminal: no python3"; exit 0; }
name="generate prints on a terminal as the text comes, and the same text"
python3 - "$SEQLAB" "$work/model" >"$work/terminal" <<'PY' && ok || not_ok "$(head -n 3 "$work/terminal")"
import os, pty, subprocess, sys
command = [sys.argv[1], 'generate', '-q', sys.argv[2], 'max_new_tokens=60']
plain = subprocess.run(command, capture_output=True).stdout
pid, fd = pty.fork()
if pid == 0:
    os.execv(command[0], command)
parts = []
while True:
    try:
        part = os.read(fd, 65536)
    except OSError:
        break
    if not part:
        break
    parts.append(part)
os.waitpid(pid, 0)
seen = b''.join(parts).replace(b'\r\n', b'\n')
print(seen.decode(), len(parts))
sys.exit(seen != plain)
PY
