#!/usr/bin/env python3
"""Makes the adapters of tests/golden/peft for the models of tests/golden/hf, and what PEFT computes
with them.

Each folder is an adapter as PEFT saves it, with expected.safetensors beside it: `x` is the input as
seqlab takes it, `logits` what the adapted model gives. All tensors of the adapters are redrawn, so
that none can be left out unnoticed.

    pip install torch transformers peft safetensors; python3 make.py

The files here were made with torch 2.15.0, transformers 5.24.0 and peft 0.21.2 on x86-64.
"""
import os

import torch
import transformers as hf
from peft import AdaLoraConfig, LoraConfig, MissConfig, get_peft_model
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
os.chdir(HERE)


def make(folder, base, cls, config, seed):
    path = f"../../hf/{base}"  # from the adapter's folder
    model = get_peft_model(cls.from_pretrained(f"../hf/{base}", attn_implementation="eager"), config)
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if not p.requires_grad:
                continue
            noise = torch.randn(p.shape, generator=g)
            p.copy_(p + 0.3 * noise if "magnitude" in name else 0.3 * noise)
    x = load_file(f"../hf/{base}/expected.safetensors")["x"].long()
    model.eval()
    if "bert" in base:
        types = torch.cumsum((x == 2).long(), 1) - (x == 2).long()
        logits = model(x, attention_mask=(x != 0).long(), token_type_ids=types.clamp(max=1)).logits
    else:
        logits = model(x).logits
    for c in model.peft_config.values():
        c.base_model_name_or_path = path
    model.save_pretrained(folder)
    for name in os.listdir(folder):
        if not name.startswith("adapter_"):
            os.remove(os.path.join(folder, name))
    save_file({"x": x.int().contiguous(), "logits": logits.detach().contiguous()},
              os.path.join(folder, "expected.safetensors"))
    print(folder, tuple(logits.shape))


def main():
    lm = {"task_type": "CAUSAL_LM"}
    llama, gpt2 = hf.LlamaForCausalLM, hf.GPT2LMHeadModel
    make("lora", "llama", llama, LoraConfig(r=3, lora_alpha=5, use_rslora=True, modules_to_save=["lm_head"],
                                            target_modules=["q_proj", "v_proj", "down_proj"], **lm), 1)
    make("regex", "llama", llama,
         LoraConfig(r=2, lora_alpha=4, target_modules=r".*layers\.1\..*(up_proj|down_proj)", **lm), 2)
    make("dora", "llama", llama, LoraConfig(r=2, lora_alpha=4, use_dora=True,
                                            target_modules=["k_proj", "gate_proj"], **lm), 3)
    make("conv1d", "gpt2", gpt2, LoraConfig(r=2, lora_alpha=3, fan_in_fan_out=True, bias="all",
                                            target_modules="all-linear", **lm), 4)
    make("adalora", "llama", llama, AdaLoraConfig(init_r=3, target_r=2, total_step=10, lora_alpha=6,
                                                  target_modules=["o_proj", "v_proj"], **lm), 5)
    make("miss", "llama", llama, MissConfig(r=3, target_modules=["q_proj", "up_proj"], **lm), 6)
    make("bat", "llama", llama, MissConfig(r=4, init_weights="bat",
                                           target_modules=["o_proj", "up_proj"], **lm), 7)
    make("mini", "llama", llama, MissConfig(r=4, init_weights="mini", mini_r=2,
                                            target_modules=["k_proj", "down_proj"], **lm), 8)
    make("classes", "bert", hf.BertForSequenceClassification,
         LoraConfig(r=2, lora_alpha=4, bias="lora_only", target_modules=["query", "dense"],
                    exclude_modules=["bert.pooler.dense"], task_type="SEQ_CLS"), 9)


if __name__ == "__main__":
    main()
