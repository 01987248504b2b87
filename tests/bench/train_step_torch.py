#!/usr/bin/env python3
"""The peer of train_step.sh: the same training step in PyTorch, set up as an expert would.

    train_step_torch.py MODEL STEPS THREADS [VARIANT]

MODEL is lenet_300_100 (batch 60, Adam), resnet20 (batch 128, SGD with Nesterov momentum), or one of step_bench.c's, with
AdamW: char_gpt, long_conv, lstm; or llama_lora, whose frozen weights stand beside adapters of rank 8 at all linear layers,
as PEFT's do, with AdamW over the adapters alone. VARIANT is eager, channels_last (resnet20) or compile (torch 2 only; the compile time is
not counted). The data are one tensor in memory, batches are drawn by index (no DataLoader processes, which only add time here), gradients are set to None, the optimizer is the fused
or foreach one where the version has it. Prints one JSON line: median and mean milliseconds of a step, seconds from the
start of the process to the end of the first step, and the peak resident megabytes."""
import json, os, resource, sys, time

start = float(os.environ.get("STARTED_AT", time.time()))
model_name, steps, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
variant = sys.argv[4] if len(sys.argv) > 4 else "eager"
os.environ["OMP_NUM_THREADS"] = str(threads)
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(threads)
torch.manual_seed(1)


class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.grow = c_out - c_in

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.grow:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.grow // 2, self.grow // 2))
        return F.relu(x + y)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        plan = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2
        self.blocks = nn.Sequential(*[Block(*p) for p in plan])
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn1(self.conv1(x))))
        return self.linear(x.mean(dim=(2, 3)))


class GptBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.c_attn, self.c_proj = nn.Linear(c, 3 * c), nn.Linear(c, c)
        self.c_fc, self.c_out = nn.Linear(c, 4 * c), nn.Linear(4 * c, c)

    def attend(self, q, k, v):
        if hasattr(F, "scaled_dot_product_attention"):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        score = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5
        return F.softmax(score.masked_fill(self.hidden, float("-inf")), dim=-1) @ v

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (p.view(b, t, c // 64, 64).transpose(1, 2) for p in self.c_attn(self.ln_1(x)).split(c, dim=2))
        x = x + self.c_proj(self.attend(q, k, v).transpose(1, 2).reshape(b, t, c))
        return x + self.c_out(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocabulary=65, t=256, c=384):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, c), nn.Embedding(t, c)
        self.blocks, self.ln_f = nn.Sequential(*[GptBlock(c) for _ in range(6)]), nn.LayerNorm(c)
        GptBlock.hidden = torch.ones(t, t, dtype=torch.bool).triu(1)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, x):
        return F.linear(self.ln_f(self.blocks(self.wte(x) + self.wpe.weight)), self.wte.weight).flatten(0, 1)


class LongConvBlock(nn.Module):
    def __init__(self, t, c):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(c), nn.Linear(c, 2 * c)
        self.kernel, self.d = nn.Parameter(0.002 * torch.randn(c, t)), nn.Parameter(torch.randn(c, 1))

    def forward(self, x):
        u, n = self.norm(x).transpose(1, 2), 2 * x.shape[1]
        y = torch.fft.irfft(torch.fft.rfft(u, n=n) * torch.fft.rfft(self.kernel, n=n), n=n)[..., : n // 2] + self.d * u
        return x + F.glu(self.linear(F.gelu(y).transpose(1, 2)), dim=-1)


class LongConv(nn.Module):
    def __init__(self, t=1024, c=128):
        super().__init__()
        self.encoder, self.decoder, self.norm = nn.Linear(1, c), nn.Linear(c, 10), nn.LayerNorm(c)
        self.layers = nn.Sequential(*[LongConvBlock(t, c) for _ in range(6)])

    def forward(self, x):
        return self.decoder(self.norm(self.layers(self.encoder(x))).mean(dim=1))


class Lstm(nn.Module):
    def __init__(self, vocabulary=65, h=512):
        super().__init__()
        self.embedding, self.decoder = nn.Embedding(vocabulary, h), nn.Linear(h, vocabulary)
        self.lstm = nn.LSTM(h, h, batch_first=True)

    def forward(self, x):
        return self.decoder(self.lstm(self.embedding(x))[0]).flatten(0, 1)


class LoraLinear(nn.Module):
    def __init__(self, n_in, n_out, rank=8, alpha=16):
        super().__init__()
        self.base, self.scale = nn.Linear(n_in, n_out, bias=False), alpha / rank
        self.A, self.B = nn.Linear(n_in, rank, bias=False), nn.Linear(rank, n_out, bias=False)
        nn.init.zeros_(self.B.weight)

    def forward(self, x):
        return self.base(x) + self.scale * self.B(self.A(x))


class RmsNorm(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(c))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class LlamaBlock(nn.Module):
    def __init__(self, c, inner):
        super().__init__()
        self.input_norm, self.post_norm = RmsNorm(c), RmsNorm(c)
        self.q, self.k, self.v, self.o = (LoraLinear(c, c) for _ in range(4))
        self.gate, self.up, self.down = LoraLinear(c, inner), LoraLinear(c, inner), LoraLinear(inner, c)

    def turned(self, x):
        half = x.shape[-1] // 2
        return x * self.cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * self.sin

    def forward(self, x):
        b, t, c = x.shape
        h = self.input_norm(x)
        q, k, v = (f(h).view(b, t, c // 64, 64).transpose(1, 2) for f in (self.q, self.k, self.v))
        x = x + self.o(GptBlock.attend(self, self.turned(q), self.turned(k), v).transpose(1, 2).reshape(b, t, c))
        h = self.post_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class LlamaLora(nn.Module):
    def __init__(self, vocabulary=65, t=256, c=512, inner=1408):
        super().__init__()
        self.embed, self.norm, self.head = nn.Embedding(vocabulary, c), RmsNorm(c), nn.Linear(c, vocabulary, bias=False)
        self.blocks = nn.Sequential(*[LlamaBlock(c, inner) for _ in range(8)])
        LlamaBlock.hidden = torch.ones(t, t, dtype=torch.bool).triu(1)
        angle = torch.outer(torch.arange(t), 10000.0 ** -(torch.arange(0, 64, 2) / 64)).repeat(1, 2)
        LlamaBlock.cos, LlamaBlock.sin = angle.cos(), angle.sin()
        for name, p in self.named_parameters():
            p.requires_grad = ".A." in name or ".B." in name

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.embed(x)))).flatten(0, 1)


text = lambda t: (torch.randint(0, 65, (256, t)), torch.randint(0, 65, (256, t)))
images = lambda: (torch.rand(4096, 1, 28, 28), torch.randint(0, 10, (4096,)))
adamw = (torch.optim.AdamW, dict(lr=1e-3))
if model_name == "lenet_300_100":
    batch, (data, labels) = 60, images()
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
    kind, options = torch.optim.Adam, dict(lr=1.2e-3)
elif model_name == "resnet20":
    batch, (data, labels) = 128, images()
    model = ResNet20()
    kind, options = torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
elif model_name == "char_gpt":
    batch, (data, labels), model, (kind, options) = 16, text(256), Gpt(), adamw
elif model_name == "long_conv":
    batch, data, labels = 50, torch.rand(256, 1024, 1), torch.randint(0, 10, (256,))
    model, (kind, options) = LongConv(), adamw
elif model_name == "lstm":
    batch, (data, labels), model, (kind, options) = 32, text(128), Lstm(), adamw
elif model_name == "llama_lora":
    batch, (data, labels), model, (kind, options) = 8, text(256), LlamaLora(), adamw
else:
    sys.exit(f"no model {model_name}")

if variant in ("channels_last", "compile") and model_name == "resnet20":
    model = model.to(memory_format=torch.channels_last)
    data = data.contiguous(memory_format=torch.channels_last)
if variant == "compile":
    model = torch.compile(model)
optimizer = None
for extra in (dict(fused=True), dict(foreach=True), {}):
    try:
        optimizer = kind([p for p in model.parameters() if p.requires_grad], **options, **extra)
        break
    except (TypeError, RuntimeError):
        continue

order = torch.randperm(len(data))
times, first = [], None
for step in range(steps):
    before = time.perf_counter()
    lo = (step * batch) % (len(data) - batch)
    index = order[lo : lo + batch]
    x, y = data[index], labels[index]
    loss = F.cross_entropy(model(x), y.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    times.append(time.perf_counter() - before)
    if first is None:
        first = time.time() - start
times = sorted(times[len(times) // 4 :])
print(json.dumps({
    "torch": torch.__version__, "model": model_name, "variant": variant, "threads": threads,
    "ms": round(1e3 * times[len(times) // 2], 4), "mean_ms": round(1e3 * sum(times) / len(times), 4),
    "first_step_s": round(first, 3),
    "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
}))
