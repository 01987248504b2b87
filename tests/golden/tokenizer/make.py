#!/usr/bin/env python3
"""Writes the tokenizers and cases of this folder with Hugging Face's `tokenizers` (made with 0.23.3) and,
for the precompiled normaliser, `sentencepiece` (0.2.3): pip install tokenizers sentencepiece.

  NAME.json        a small tokenizer of one family, trained on TEXT below
  NAME.cases.json  [{"text", "ids", "plain": ids without special tokens, "decoded"}, ...] and "pair" cases

`make.py FOLDER N` writes N random cases a tokenizer into FOLDER instead of the fixed ones."""
import json, os, random, sys, tempfile
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers as nz, pre_tokenizers as pt
from tokenizers import processors as pp, trainers

TEXT = ("The quick brown fox jumps over the lazy dog. It wasn't the dog's fault: they're we've I'll I'd I'm. "
        "In 1984, 365 days cost 3.14 (or 2718281828) dollars! Über naïve café señor; ﬁnal ½ ２０２４. "
        "한국어 텍스트를 처리하는 토크나이저. 中文字符和標點，。 हिन्दी में लिखा हुआ पाठ। தமிழ் உரை. "
        "lower lowest newer newest wider widest, the theory of the thing that there then thus. "
        "for (int i = 0; i < n; i++) {\n\tsum += x[i] * y[i];\n}\n\n  return sum;\r\n") * 2

CASES = ["", " ", "a", "Hello, world!", "The theory wasn't lowest.", "  two  spaces  ", "tabs\tand\nlines\r\n\r\n x", "\n\n\nA",
         "don't DON'T we'Ve it'ſ 's", "1234567 3.14 ½ ２０２４ Ⅷ", "Über naïve café ÀÉÎ", "I\u0307İSTANBUL ſharp ẞß", "한국어 텍스트 토크나이저를",
         "中文字符，漢字。", "हिन्दी में लिखा", "தமிழ் உரை", "👩‍👩‍👧 emoji 😀!", "e\u0301 ﬁ ﬀ Å", "\u200b zero\u00a0width\u3000space\u2028x",
         "control\x01\x7f\ufffd\u00ad", "for (int i = 0; i < n; i++) {\n\treturn;\n}", "<mask> and <s> </s>", "a<mask>b  <mask>  c",
         "word WORD words wordy word", "▁under▁ score ▁", "!!! ... ,,, -- ++ $$ ^^ ``", "x" * 120, "[CLS] [MASK] [SEP]",
         "the\u0000nul", "\ue000 private \U000e0001", "Don't do not 've.", "mixed한中aé1!\n \n"]
POOL = list("aabceehillnooprstw ABÉ019.,!'\"-_()[]<>\n\r\t  ") + ["'s", "'T", "'ll", "ſ", "é", "e\u0301", "ß", "İ", "ﬁ", "½", "２", "Ⅷ", "한", "글", "中", "，",
        "हि", "न्दी", "த", "மி", "😀", "\u200b", "\u200d", "\u00a0", "\u3000", "\u2028", "\u0085", "\x01", "▁", "\ufeff", "\u0301", "\u0903", "<mask>", "<s>",
        "</s>", "[MASK]", "word", " the", "ing", "  ", "\r\n", "\ufffd", "ǅ", "Å", "ａ", "①", "Ⓐ", "\u20dd", "\u1680", "_", "٣", "·", "\U00010400", "\u0378"]


def train(model, trainer, normalizer=None, pre=None, decoder=None):
    t = Tokenizer(model)
    if normalizer: t.normalizer = normalizer
    if pre: t.pre_tokenizer = pre
    if decoder: t.decoder = decoder
    t.train_from_iterator([TEXT], trainer)
    return t


def bpe(n, special, **more):
    return trainers.BpeTrainer(vocab_size=n, special_tokens=special, show_progress=False, **more)


ALPHABET = pt.ByteLevel.alphabet()
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
SPACE = "\u2581"


def gpt2():
    return train(models.BPE(), bpe(320, ["<|endoftext|>"], initial_alphabet=ALPHABET), None, pt.ByteLevel(add_prefix_space=False),
                 decoders.ByteLevel())


def llama3():
    pre = pt.Sequence([pt.Split(Regex(LLAMA3), "isolated"), pt.ByteLevel(add_prefix_space=False, use_regex=False)])
    t = train(models.BPE(ignore_merges=True), bpe(340, ["<s>", "</s>"], initial_alphabet=ALPHABET), None, pre, decoders.ByteLevel())
    t.post_processor = pp.Sequence([pp.ByteLevel(trim_offsets=False), pp.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 0)])])
    return t


def qwen2():
    pre = pt.Sequence([pt.Split(Regex(QWEN2), "isolated"), pt.ByteLevel(add_prefix_space=False, use_regex=False)])
    t = train(models.BPE(), bpe(320, [], initial_alphabet=ALPHABET), nz.NFC(), pre, decoders.ByteLevel())
    t.add_special_tokens(["<s>"])
    t.add_tokens(["lowest", AddedToken("word", single_word=True)])
    return t


def roberta():
    t = train(models.BPE(), bpe(310, ["<s>", "<pad>", "</s>", "<unk>"], initial_alphabet=ALPHABET), None, pt.ByteLevel(add_prefix_space=True),
              decoders.ByteLevel())
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    t.post_processor = pp.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return t


def llama2():
    special = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
    t = train(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True), bpe(480, special, limit_alphabet=60),
              None, pt.Metaspace())
    d = json.loads(t.to_str())  # bytes are no special tokens; words are not cut beforehand
    d["added_tokens"] = d["added_tokens"][:3]
    d["pre_tokenizer"] = None
    t = Tokenizer.from_str(json.dumps(d))
    t.normalizer = nz.Sequence([nz.Prepend(SPACE), nz.Replace(" ", SPACE)])
    t.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = pp.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return t


def metaspace():
    t = train(models.BPE(unk_token="<unk>", fuse_unk=True), bpe(160, ["<unk>", "<s>", "</s>"], limit_alphabet=50), None,
              pt.Metaspace(prepend_scheme="first"), decoders.Metaspace(prepend_scheme="first"))
    return t


def bert():
    t = train(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=280, show_progress=False, limit_alphabet=90,
              special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]), nz.BertNormalizer(), pt.BertPreTokenizer(), decoders.WordPiece())
    t.post_processor = pp.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                                             special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return t


def bert_cased():
    t = train(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=200, show_progress=False, limit_alphabet=70,
              special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]), nz.BertNormalizer(lowercase=False), pt.BertPreTokenizer(),
              decoders.WordPiece(cleanup=False))
    t.post_processor = pp.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


def charsmap():
    """A small precompiled charsmap: sentencepiece's own compiler on a few rules."""
    import sentencepiece
    with tempfile.TemporaryDirectory() as d:
        rules = {"ﬁ": "fi", "½": "1/2", "２": "2", "０": "0", "４": "4", "ａ": "a", "\u212b": "\u00c5", "\u3000": " ", "\u00a0": " ", "\u200b": " ", "\t": " ",
                 "\n": " ", "\r": " ", "\x01": "", "\u00ad": "", "É": "E", "e\u0301": "é", "①": "1", "İ": "i", "हि": "HI"}
        with open(d + "/r.tsv", "w") as f:
            for k, v in rules.items(): f.write(" ".join("%X" % ord(c) for c in k) + "\t" + " ".join("%X" % ord(c) for c in v) + "\n")
        with open(d + "/t.txt", "w") as f: f.write(TEXT)
        sentencepiece.SentencePieceTrainer.train(input=d + "/t.txt", model_prefix=d + "/m", vocab_size=250, character_coverage=0.98,
            normalization_rule_tsv=d + "/r.tsv", minloglevel=2, hard_vocab_limit=False)
        return precompiled(open(d + "/m.model", "rb").read())


def precompiled(model):
    """Field 2 (precompiled_charsmap) of field 3 (normalizer_spec) of a sentencepiece model."""
    def fields(b):
        i = 0
        def varint():
            nonlocal i
            n = s = 0
            while True:
                c = b[i]; i += 1; n |= (c & 127) << s; s += 7
                if c < 128: return n
        while i < len(b):
            key = varint()
            if key & 7 == 0: varint(); continue
            if key & 7 == 5: i += 4; continue
            n = varint(); yield key >> 3, b[i:i + n]; i += n
    spec = [v for k, v in fields(model) if k == 3][0]
    return [v for k, v in fields(spec) if k == 2][0]


def unigram(n, **more):
    return trainers.UnigramTrainer(vocab_size=n, show_progress=False, **more)


def t5():
    t = train(models.Unigram(), unigram(200, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"),
              nz.Precompiled(charsmap()), pt.Sequence([pt.WhitespaceSplit(), pt.Metaspace()]), decoders.Metaspace())
    t.add_special_tokens(["<extra_id_0>", "<mask>"])
    t.post_processor = pp.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return t


def unigram_bytes():
    t = train(models.Unigram(), unigram(180, special_tokens=["<unk>", "<s>"], unk_token="<unk>"), nz.NFKC(), pt.Metaspace())
    d = json.loads(t.to_str())
    vocab = [v for v in d["model"]["vocab"] if ord(v[0][0]) < 0x1000 or v[0][0] == SPACE]
    d["model"]["vocab"] = vocab + [["<0x%02X>" % b, 0.0] for b in range(256)]
    d["model"]["byte_fallback"] = True
    t = Tokenizer.from_str(json.dumps(d))
    t.normalizer = nz.Sequence([nz.Nmt(), nz.NFKC(), nz.Replace(Regex(" {2,}"), " ")])
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return t


def words():
    t = train(models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(vocab_size=100, show_progress=False, special_tokens=["<unk>"]),
              nz.Sequence([nz.NFD(), nz.Lowercase(), nz.StripAccents(), nz.Strip()]),
              pt.Sequence([pt.Whitespace(), pt.Digits(individual_digits=False), pt.Punctuation("contiguous")]))
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True), AddedToken("<s>", single_word=True)])
    t.add_tokens([AddedToken("WORD", normalized=True, single_word=True), AddedToken("É", normalized=True), AddedToken(".,", normalized=False)])
    return t


def clip():
    return train(models.BPE(end_of_word_suffix="</w>", unk_token="<unk>"), bpe(200, ["<unk>"], end_of_word_suffix="</w>", limit_alphabet=60),
                 nz.Sequence([nz.NFKD(), nz.Lowercase()]), pt.Sequence([pt.WhitespaceSplit(), pt.Digits(individual_digits=True)]), decoders.BPEDecoder())


def split_ways():
    pre = pt.Sequence([pt.Split(" ", "merged_with_next"), pt.Split("e", "merged_with_previous"), pt.Split(Regex(r"\s+"), "removed"),
                       pt.Split("o", "contiguous"), pt.Punctuation("removed"), pt.CharDelimiterSplit("x")])
    return train(models.BPE(unk_token="<unk>", continuing_subword_prefix="##"),
                 bpe(200, ["<unk>"], continuing_subword_prefix="##", limit_alphabet=50), None, pre, decoders.WordPiece())


ALL = [gpt2, llama3, qwen2, roberta, llama2, metaspace, bert, bert_cased, t5, unigram_bytes, words, clip, split_ways]


def case(t, text):
    """0.23 decodes an added token that is looked for after normalisation to its normalised form; ours gives its content: no such cases."""
    ids = t.encode(text).ids
    if any(a.normalized for a in t.get_added_tokens_decoder().values()) and t.decode(ids) != "":
        return {"text": text, "ids": ids, "plain": t.encode(text, add_special_tokens=False).ids}
    return {"text": text, "ids": ids, "plain": t.encode(text, add_special_tokens=False).ids,
            "decoded": t.decode(ids, skip_special_tokens=False), "skipped": t.decode(ids, skip_special_tokens=True)}


def pair(t):
    a, b = "The quick dog.", "It wasn't 1984?"
    e = t.encode(a, b)
    return {"text": a, "second": b, "ids": e.ids, "types": e.type_ids, "plain": t.encode(a, b, add_special_tokens=False).ids}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder, n = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else (here, 0)
    r = random.Random(1)
    texts = ["".join(r.choice(POOL) for _ in range(r.randrange(40))) for _ in range(n)] if n else CASES
    for make in ALL:
        path = os.path.join(here, make.__name__ + ".json")
        if n == 0: json.dump(json.loads(make().to_str()), open(path, "w"), ensure_ascii=True, separators=(",", ":"))
        t = Tokenizer.from_file(path)
        cases = [case(t, x) for x in texts] + [pair(t)]
        with open(os.path.join(folder, make.__name__ + ".cases.json"), "w") as f:
            f.write("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]\n")


main()
