"""The layers of recurrent_bench by torch: forward and backward, all gradients. Usage: recurrent_torch.py [seconds [threads]]"""
import sys
import time

import torch

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
LAYERS = [("lstm", 32, 128, 512, 512), ("gru", 32, 128, 512, 512), ("lstm", 64, 35, 200, 200), ("lstm", 8, 256, 128, 128)]


def run(kind, batch, steps, inputs, width):
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](inputs, width, batch_first=True)
    x = torch.randn(batch, steps, inputs, requires_grad=True)

    def step():
        layer.zero_grad()
        x.grad = None
        h, _ = layer(x)
        h.square().sum().backward()

    step()
    times = []
    start = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < SECONDS:
        t = time.perf_counter()
        step()
        times.append(time.perf_counter() - t)
    times.sort()
    print(f"{kind:5} B={batch} T={steps} I={inputs} H={width}  median {times[len(times) // 2] * 1e3:8.2f} ms  "
          f"least {times[0] * 1e3:8.2f} ms", flush=True)


for threads in (1, 2):
    if len(sys.argv) > 2 and int(sys.argv[2]) != threads:
        continue
    torch.set_num_threads(threads)
    print(f"torch {torch.__version__}, {threads} threads")
    for row in LAYERS:
        run(*row)
