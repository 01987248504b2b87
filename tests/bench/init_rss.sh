#!/bin/sh
# What `seqlab init` takes of memory for a model of some gigabytes, which is made here of a few numbers, over and over, in
# two files behind an index: first values of lora, pissa and lora-ga, a merge, and the model without pissa's. Prints a row each.
#   tests/bench/init_rss.sh [SEQLAB [LAYERS]]      a layer is 51 MB; 40 of them (2.1 GB) by default; needs three times that
set -e
SEQLAB=$(realpath "${1:-build/release/seqlab}")
layers=${2:-40}
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir model

cat >model/config.json <<JSON
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32", "hidden_size": 1024,
 "intermediate_size": 2816, "num_hidden_layers": $layers, "num_attention_heads": 16, "num_key_value_heads": 16,
 "max_position_embeddings": 128, "vocab_size": 512, "tie_word_embeddings": true}
JSON

# 16 MiB of floats between 2^-7 and 2^-5 and their negatives: the upper bytes are chosen, the lower ones pseudo-random
awk 'BEGIN { s = 1; for (i = 0; i < 65536; i++) {
        s = (s * 16807) % 2147483647; printf "\\%03o\\%03o\\%03o\\%03o", s % 256, int(s / 256) % 256, int(s / 65536) % 256,
               (int(s / 2097152) % 2 ? 188 : 60) } }' >octal
printf "$(head -c 262144 octal)" >block # a quarter of it
for i in 1 2 3 4 5 6 7 8; do cat block block >twice && mv twice block; done

# shard FILE FIRST LAST: the layers, and in the first file what stands beside them
shard() {
    awk -v first="$2" -v last="$3" 'BEGIN {
        at = 0; d = 1024; f = 2816
        text = "{\"__metadata__\":{\"format\":\"pt\"}"
        if (first == 0) { add("model.embed_tokens.weight", 512 "," d, 512 * d); add("model.norm.weight", d, d) }
        for (i = first; i <= last; i++) {
            p = "model.layers." i "."
            add(p "input_layernorm.weight", d, d); add(p "post_attention_layernorm.weight", d, d)
            n = split("q k v o", name, " ")
            for (k = 1; k <= n; k++) add(p "self_attn." name[k] "_proj.weight", d "," d, d * d)
            add(p "mlp.gate_proj.weight", f "," d, d * f); add(p "mlp.up_proj.weight", f "," d, d * f)
            add(p "mlp.down_proj.weight", d "," f, d * f)
        }
        text = text "}"
        while (length(text) % 8) text = text " "
        printf "%s", text > "header"
        printf "%.0f", at > "bytes"
        n = length(text)
        for (i = 0; i < 8; i++) { printf "\\%03o", n % 256 > "length"; n = int(n / 256) }
    }
    function add(name, shape, n) {
        text = text sprintf(",\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%.0f,%.0f]}", name, shape, at, at + 4 * n)
        at += 4 * n
        print name >> "names"
    }'
    { printf "$(cat length)"; cat header; while cat block; do :; done 2>/dev/null | head -c "$(cat bytes)"; } >"model/$1"
    sed "s/.*/\"&\": \"$1\"/" names >>map
    rm -f length header bytes names
}
half=$((layers / 2))
shard model-00001-of-00002.safetensors 0 $((half - 1))
shard model-00002-of-00002.safetensors $half $((layers - 1))
echo "{\"metadata\": {}, \"weight_map\": {$(paste -sd, map)}}" >model/model.safetensors.index.json
seq 1 400 | sed 's/.*/&: the quick brown fox jumps over the lazy dog/' >names.txt
sed 's/.*/{"text": "&"}/' names.txt >lines.jsonl
size=$(du -sm model | cut -f1)
echo "model of $size MB, $layers layers"

row() {
    label=$1
    shift
    "$SEQLAB" init --json "$@" >said
    sed -n 's/.*"seconds": *\([0-9.]*\).*/\1/p' said | cut -c1-6 >seconds
    sed -n 's/.*"peak_bytes": *\([0-9]*\).*/\1/p' said >peak
    printf '%-28s %6s s   peak %5d MB\n' "$label" "$(cat seconds)" $(($(cat peak) / 1000000))
}
row "lora, rank 8" --method lora --model model --rank 8 -o lora
row "pissa, rank 8" --method pissa --model model --rank 8 niter=2 -o pissa
"$SEQLAB" data tokenizer train --kind bpe --vocab-size 300 names.txt -o model/tokenizer.json -q
row "lora-ga, rank 8" --method lora-ga --model model --data lines.jsonl --rank 8 gradient_batches=2 max_length=32 gradient_memory=64 -o ga
row "merge" --method merge --adapter pissa -o merged
rm -rf merged
row "pissa, --save-base" --method pissa --model model --rank 8 niter=2 -o pissa2 --save-base frozen
