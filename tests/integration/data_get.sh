#!/bin/sh
# `seqlab data get` from a server on this machine: whole, resumed (with and without ranges), wrong checksum.
cd "$(dirname "$0")/../.." || exit 2
for tool in python3 curl; do
    command -v $tool >/dev/null || { echo "skip data_get: no $tool"; exit 0; }
done
case $SEQLAB in /*) seqlab=$SEQLAB ;; *) seqlab=$PWD/$SEQLAB ;; esac
work=$(mktemp -d) || exit 2
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
mkdir -p "$work/site/top" "$work/data" "$work/part"
unset SEQLAB_DATA http_proxy HTTP_PROXY all_proxy ALL_PROXY

# A server that knows ranges below /ranged/ (python's own does not) and logs them.
cat >"$work/server.py" <<'END'
import http.server, os, re, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        asked = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        if not (asked and self.path.startswith("/ranged/")):
            self.path = self.path.replace("/ranged/", "/")
            return super().do_GET()
        body = open(self.path[len("/ranged/"):], "rb").read()
        first = int(asked.group(1))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        self.wfile.write(body[first:])
    def log_message(self, *words):
        print(self.path, self.headers.get("Range", "whole"), file=sys.stderr, flush=True)
os.chdir(sys.argv[1])
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
END
python3 "$work/server.py" "$work/site" >"$work/port" 2>"$work/log" &
server=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -s "$work/port" ] && break
    sleep 0.2
done
[ -s "$work/port" ] || { echo "skip data_get: the server does not start"; exit 0; }
site=http://127.0.0.1:$(cat "$work/port")

head -c 300000 /dev/urandom >"$work/site/f.bin"
sum=$(sha256sum <"$work/site/f.bin" | cut -d' ' -f1)
echo one >"$work/site/top/one"
tar -czf "$work/site/a.tar.gz" -C "$work/site" top

recipe() { # name url sha256
    printf 'name: %s\nsummary: s\nlicence: l\ncitation: c\nfiles:\n  - {name: f.bin, url: %s, bytes: 300000, sha256: %s}\n' \
        "$1" "$2" "$3" >"$work/data/$1.yaml"
}
recipe whole "$site/f.bin" "$sum"
recipe ranged "$site/ranged/f.bin" "$sum"
recipe unranged "$site/f.bin" "$sum"
recipe wrong "$site/f.bin" "$(echo x | sha256sum | cut -d' ' -f1)"
recipe absent "$site/nothing.bin" "$sum"
printf 'name: archive\nfiles:\n  - {name: a.tar.gz, url: %s, unpack: tar.gz, holds: [{name: one, bytes: 4}]}\n' \
    "$site/a.tar.gz" >"$work/data/archive.yaml"

get() { (cd "$work" && "$seqlab" data get "$1") >"$work/out" 2>"$work/err"; }
check() { # claim, then a command
    claim=$1
    shift
    if "$@"; then echo "ok data_get $claim"; else
        echo "not ok data_get $claim"
        cat "$work/out" "$work/err" "$work/log"
    fi
}
same() { cmp -s "$work/site/f.bin" "$work/data/$1/f.bin" && [ ! -e "$work/data/$1/f.bin.part" ]; }
begin() { mkdir -p "$work/data/$1" && head -c 100000 "$work/site/f.bin" >"$work/data/$1/f.bin.part"; }

get whole
check "a whole file arrives" same whole
begin ranged
get ranged
check "a partial file is completed" same ranged
check "only the rest is asked for" grep -q '^/ranged/f.bin bytes=100000-$' "$work/log"
begin unranged
get unranged
check "a server without ranges begins anew" same unranged
get wrong
check "a wrong checksum has exit code 4" [ $? -eq 4 ]
check "a wrong checksum is named" grep -q 'sha256 is .*the recipe says .*the download is damaged' "$work/err"
check "a wrong checksum leaves nothing" [ -z "$(ls "$work/data/wrong")" ]
get absent
check "what the server does not have is named" grep -q 'nothing.bin cannot be downloaded: .*404' "$work/err"
get archive
check "an archive is unpacked" [ "$(cat "$work/data/archive/one" 2>/dev/null)" = one ]
