#!/bin/sh
# seqlab init: a llama2.c checkpoint as a Hugging Face folder writes the reference program's text; adapters leave a model as it
# is; runs write adapters that runs, eval and merge take; what is there is not overwritten, a failure leaves nothing.
# Environment: SEQLAB.
cd "$(dirname "$0")/../.." || exit 2
. tests/integration/common
golden=$(pwd)/tests/golden
tiny=$(realpath "${SEQLAB_SHARED:-../shared}/data/tinyllama_260k" 2>/dev/null)
cd "$work" || exit 2
init() { "$SEQLAB" init "$@" 2>err; }

# ids FOLDER N: the first greedy ids after <s>
ids() { "$SEQLAB" generate -q --ids --prompt 1 "$1" max_new_tokens="$2" do_sample=false eos_token_id=[] 2>&1 | tr -s ' ' '\n'; }

if [ -d "${tiny:-none}" ]; then
    name="init imports a llama2.c checkpoint that writes the reference program's tokens"
    init --method import "$tiny/stories260K.bin" --tokenizer "$tiny/tok512.bin" -o tiny || not_ok "$(cat err)"
    n=$(($(wc -l <"$tiny/expected_greedy.tsv") - 1))
    sed 1d "$tiny/expected_greedy.tsv" | cut -f3 >want
    ids tiny $n >got
    cmp -s want got && ok || not_ok "$(head -n 3 got)"

    name="init import, version 1, gives the same folder"
    init --method import "$tiny/stories260K_v1.bin" --tokenizer "$tiny/tok512.bin" -o tiny1
    diff -r tiny tiny1 >/dev/null && ok || not_ok "they differ"

    printf '{"prompt": "Once upon a time", "response": " there was a girl."}\n{"prompt": "A", "response": " cat."}\n' >x.jsonl
    for method in pissa olora stable-output "lora-ga --data x.jsonl"; do
        name="init $method, merged, writes as the model"
        rm -rf adapter merged
        # shellcheck disable=SC2086
        init --method $method --model tiny --rank 4 -o adapter && init --method merge --adapter adapter -o merged
        ids merged 60 >got
        head -n 60 want | cmp -s - got && ok || not_ok "$(cat err)"
    done

    name="init does not depend on the threads"
    init --threads 1 --method lora-ga --data x.jsonl --model tiny --rank 4 -o one
    init --threads 3 --method lora-ga --data x.jsonl --model tiny --rank 4 -o three
    cmp -s one/adapter_model.safetensors three/adapter_model.safetensors && ok || not_ok "they differ"

    name="init --save-base gives the model without what the adapter has"
    init --method pissa --model tiny --rank 4 -o taken --save-base frozen && init --method merge --adapter taken -o back
    ids back 60 >got
    ids frozen 5 >less
    head -n 60 want | cmp -s - got && ! head -n 5 want | cmp -s - less && ok || not_ok "$(cat err)"
else
    echo "skip init of tinyllama_260k: no ../shared/data"
fi

# -- Runs
for i in 1 2 3 4 5 6 7 8 9 10; do echo "a cab, a bad cab; $i"; done >text
for i in 1 2 3 4; do cat text text >more && mv more text; done
cat >net.yaml <<YAML
data: {name: text_lm, path: text, unit: char, block: 16}
base: $golden/hf/llama
methods: [{name: lora, rank: 2, init: pissa, targets: [q_proj, up_proj]}]
optimizer: {name: adam, lr: 1e-2}
train: {steps: 6, batch_size: 8}
YAML
name="init: a run writes its adapter, which eval takes with the run's result"
run=$("$SEQLAB" train net.yaml 2>log | head -n 1)
sed "s#^base:.*#base: $run/adapter#; /^methods/d" net.yaml >on.yaml
loss() { sed -n 's/.*"loss": *\([-0-9.e]*\).*/\1/p'; }
"$SEQLAB" eval -q --json "$run" | loss >a
"$SEQLAB" eval -q --json on.yaml --checkpoint "$run/adapter" | loss >b
grep -q "wrote .*/adapter in PEFT's format" log || not_ok "the log does not say so: $(cat log)"
awk 'NR == FNR { a = $1; next } { d = a - $1; exit !(a > 0 && d * d < 1e-10 * a * a) }' a b && ok || not_ok "$(cat a b)"

name="init merge of a run's adapter is that network"
init --method merge --adapter "$run/adapter" -o whole
sed "s#^base:.*#base: whole#; /^methods/d" net.yaml >whole.yaml
"$SEQLAB" eval -q --json whole.yaml --checkpoint whole | loss >b
awk 'NR == FNR { a = $1; next } { d = a - $1; exit !(a > 0 && d * d < 1e-10 * a * a) }' a b && ok || not_ok "$(cat a b)"

name="generate with an adapter's folder writes as the merged model, and not as the model alone"
for folder in "$run/adapter" whole "$golden/hf/llama"; do
    "$SEQLAB" generate -q --ids --json --prompt 1,2,3 "$folder" max_new_tokens=24 do_sample=true
done >written
[ "$(sed -n 1p written)" = "$(sed -n 2p written)" ] && [ "$(sed -n 2p written)" != "$(sed -n 3p written)" ] && ok ||
    not_ok "$(cat written)"

name="init: a run goes on from an adapter, and again to the same bytes"
"$SEQLAB" train -q on.yaml >first && "$SEQLAB" train -q "$(head -n 1 first)" >second && cmp -s first second &&
    grep -q '"r": 4' "$(head -n 1 first)/adapter/adapter_config.json" && ok || not_ok "$(cat first second)"

# -- What is refused
# refused CODE TEXT WORDS...
refused() {
    code=$1 text=$2
    shift 2
    init "$@"
    got=$?
    [ $got -eq "$code" ] && [ "$(grep -v ^usage: err | wc -l)" -eq 1 ] && grep -qF -- "$text" err && [ ! -e none ] &&
        [ ! -e none.new ] || { not_ok "code $got: $(cat err)"; return 1; }
}
name="init: what is there stays without --force"
mkdir there
refused 2 "there is there already" --method lora --model "$golden/hf/llama" -o there &&
    refused 2 "no model's or adapter's folder" --method lora --model "$golden/hf/llama" -o there --force &&
    init --method lora --model "$golden/hf/llama" -o again && refused 2 "--force replaces it" --method lora --model "$golden/hf/llama" -o again &&
    init --method bone --rank 4 --model "$golden/hf/llama" -o again --force && grep -q MISS again/adapter_config.json && ok

name="init: mistakes are one line, and leave nothing"
refused 4 "no model's folder" --method lora --model nowhere -o none &&
    refused 2 "did you mean 'q_proj'" --method lora --model "$golden/hf/llama" --targets q_prj -o none &&
    refused 3 "rank" --method pissa --rank 40 --model "$golden/hf/llama" -o none &&
    refused 2 "--rank has no meaning for --method=merge" --method merge --rank 3 --adapter again -o none &&
    refused 2 "--method is missing" -o none &&
    refused 4 "cannot be taken out" --method unmerge --adapter "$golden/peft/dora" -o none &&
    refused 4 "cannot be read" --method import nowhere.bin -o none && ok

name="init: a disk that is full leaves nothing"
n=1
while [ $n -lt 40 ]; do
    SEQLAB_FAULT=write:$n "$SEQLAB" init -q --method merge --adapter "$golden/peft/lora" -o none 2>err && break
    [ -e none ] || [ -e none.new ] && break
    n=$((n + 1))
done
[ $n -gt 2 ] && [ -e none/model.safetensors ] && [ ! -e none.new ] && ok || not_ok "write $n: $(cat err)"
