#!/usr/bin/env python3
"""Makes the tiny random models of tests/golden/hf, and what transformers computes with them.

Each folder is a Hugging Face directory (config.json, model.safetensors) with expected.safetensors
beside it: `x` is the input as seqlab takes it (token ids; images with channels last), `logits` what
transformers gives. Weights are redrawn wider than a library's first values, and norms away from 1,
so that no part of a model can be left out unnoticed.

    pip install torch transformers safetensors; python3 make.py

The files here were made with torch 2.15.0 and transformers 5.24.0 on x86-64.
"""
import json
import os
import sys

import torch
import transformers as hf
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB = 40


def redraw(model, seed):
    g = torch.Generator().manual_seed(seed)
    done = set()
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if p.data_ptr() in done:
                continue
            done.add(p.data_ptr())
            if p.dim() >= 2:
                p.copy_(torch.randn(p.shape, generator=g) * (2.0 / p.shape[-1]) ** 0.5)
            else:
                one = 1.0 if "norm" in name.lower() or "ln_" in name else 0.0
                if name.endswith("bias"):
                    one = 0.0
                p.copy_(one + 0.3 * torch.randn(p.shape, generator=g))


def tokens(seed, batch, steps):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(3, VOCAB, (batch, steps), generator=g)


def keep(folder, model, x, logits, **more):
    out = os.path.join(HERE, folder)
    model.save_pretrained(out)
    path = os.path.join(out, "generation_config.json")
    if os.path.exists(path):
        os.remove(path)
    x = x.int() if not x.is_floating_point() else x
    save_file({"x": x.contiguous(), "logits": logits.detach().float().contiguous(), **more},
              os.path.join(out, "expected.safetensors"))
    print(folder, sum(p.numel() for p in model.parameters()), tuple(logits.shape))


def gradients(model, logits, ends):
    """Of a few parameters: those whose names end so."""
    (0.5 * logits.square().sum()).backward()
    return {"grad." + n: p.grad.contiguous() for n, p in model.named_parameters()
            if n.endswith(ends)}


def build(cls, config, seed):
    config._attn_implementation = "eager"
    model = cls(config).eval()
    redraw(model, seed)
    return model


def llama(folder, cls, seed, **options):
    config = hf.LlamaConfig(vocab_size=VOCAB, hidden_size=16, intermediate_size=24,
                            num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                            max_position_embeddings=64, bos_token_id=1, eos_token_id=2, **options)
    model = build(cls, config, seed)
    x = tokens(seed, 2, 12)
    if config.pad_token_id is not None:
        x[1, 7:] = config.pad_token_id
    mask = (x != (-1 if config.pad_token_id is None else config.pad_token_id)).long()
    logits = model(input_ids=x, attention_mask=mask).logits
    more = {}
    if folder == "llama":
        more = gradients(model, logits, ("embed_tokens.weight", "0.self_attn.k_proj.weight",
                                         "1.mlp.gate_proj.weight", "model.norm.weight"))
    keep(folder, model, x, logits, **more)


def decoders():
    rope = {"rope_type": "llama3", "rope_theta": 1000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
    llama("llama", hf.LlamaForCausalLM, 1, head_dim=8, rms_norm_eps=1e-5)
    llama("llama_tied", hf.LlamaForCausalLM, 2, tie_word_embeddings=True, attention_bias=True,
          mlp_bias=True, rope_parameters=rope)
    llama("llama_class", hf.LlamaForSequenceClassification, 3, num_labels=3, pad_token_id=0,
          rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0})

    config = hf.GPT2Config(vocab_size=VOCAB, n_embd=16, n_layer=2, n_head=4, n_positions=32,
                           bos_token_id=1, eos_token_id=2)
    model = build(hf.GPT2LMHeadModel, config, 4)
    x = tokens(4, 2, 12)
    keep("gpt2", model, x, model(input_ids=x).logits)


def encoders():
    def bert(folder, cls, seed, **options):
        config = hf.BertConfig(vocab_size=VOCAB, hidden_size=16, intermediate_size=24,
                               num_hidden_layers=2, num_attention_heads=4,
                               max_position_embeddings=24, **options)
        model = build(cls, config, seed)
        x = tokens(seed, 2, 12)
        x[:, 0] = 1
        x[:, 5] = x[:, 11] = 2  # [CLS] a [SEP] b [SEP]
        x[1, 9] = 2
        x[1, 10:] = 0
        types = torch.zeros_like(x)
        types[:, 6:] = 1
        out = model(input_ids=x, attention_mask=(x != 0).long(), token_type_ids=types)
        return model, x, out

    model, x, out = bert("bert", hf.BertForSequenceClassification, 5, num_labels=3)
    keep("bert", model, x, out.logits)
    model, x, out = bert("bert_mlm", hf.BertForMaskedLM, 6)
    keep("bert_mlm", model, x, out.logits)
    model, x, out = bert("minilm", hf.BertModel, 7)
    mask = (x != 0).float().unsqueeze(-1)
    mean = (out.last_hidden_state * mask).sum(1) / mask.sum(1)  # sentence-transformers' pooling
    keep("minilm", model, x, mean)

    config = hf.ViTConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=2,
                          num_attention_heads=4, image_size=8, patch_size=4, num_channels=3,
                          num_labels=5)
    model = build(hf.ViTForImageClassification, config, 8)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(8))
    keep("vit", model, x.permute(0, 2, 3, 1), model(pixel_values=x).logits)


def t5():
    for folder, seed, options in (("t5", 9, {}),
                                  ("t5_gated", 10, dict(feed_forward_proj="gated-gelu",
                                                        tie_word_embeddings=False))):
        config = hf.T5Config(vocab_size=VOCAB, d_model=16, d_kv=6, d_ff=24, num_layers=2,
                             num_decoder_layers=3, num_heads=4, relative_attention_num_buckets=8,
                             relative_attention_max_distance=20, decoder_start_token_id=0,
                             **options)
        model = build(hf.T5ForConditionalGeneration, config, seed)
        if options:
            # transformers 5 ties them whatever the file says; T5 v1.1's files do not
            head = torch.randn(VOCAB, 16, generator=torch.Generator().manual_seed(77)) * 0.35
            model.lm_head.weight = torch.nn.Parameter(head)
            model.config.tie_word_embeddings = False
        source, target = tokens(seed, 2, 14), tokens(seed + 50, 2, 10)
        source[1, 9:] = 0
        target[:, 0] = 0
        out = model(input_ids=source, attention_mask=(source != 0).long(),
                    decoder_input_ids=target)
        more = {}
        if folder == "t5":
            more = gradients(model, out.logits, ("encoder.block.0.layer.0.SelfAttention."
                                                 "relative_attention_bias.weight",
                                                 "decoder.block.0.layer.1.EncDecAttention.v.weight",
                                                 "encoder.final_layer_norm.weight"))
        keep(folder, model, torch.cat([source, target], 1), out.logits, **more)


if __name__ == "__main__":
    print("torch", torch.__version__, "transformers", hf.__version__, file=sys.stderr)
    decoders()
    encoders()
    t5()
