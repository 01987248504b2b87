#!/usr/bin/env python3
"""The peer of train_step.sh: the same training step in PyTorch, set up as an expert would.

    train_step_torch.py MODEL STEPS THREADS [VARIANT]

MODEL is lenet_300_100 (batch 60, Adam) or resnet20 (batch 128, SGD with Nesterov momentum). VARIANT is eager,
channels_last or compile (torch 2 only; the compile time is not counted). The data are one tensor in memory, batches are
drawn by index (no DataLoader processes, which only add time here), gradients are set to None, the optimizer is the fused
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


if model_name == "lenet_300_100":
    batch = 60
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
    kind, options = torch.optim.Adam, dict(lr=1.2e-3)
else:
    batch = 128
    model = ResNet20()
    kind, options = torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)

data = torch.rand(4096, 1, 28, 28)
labels = torch.randint(0, 10, (4096,))
if variant in ("channels_last", "compile") and model_name != "lenet_300_100":
    model = model.to(memory_format=torch.channels_last)
    data = data.contiguous(memory_format=torch.channels_last)
if variant == "compile":
    model = torch.compile(model)
optimizer = None
for extra in (dict(fused=True), dict(foreach=True), {}):
    try:
        optimizer = kind(model.parameters(), **options, **extra)
        break
    except (TypeError, RuntimeError):
        continue

order = torch.randperm(4096)
times, first = [], None
for step in range(steps):
    before = time.perf_counter()
    lo = (step * batch) % (4096 - batch)
    index = order[lo : lo + batch]
    x, y = data[index], labels[index]
    loss = F.cross_entropy(model(x), y)
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
