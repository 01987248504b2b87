#!/usr/bin/env python3
"""Attention beside PyTorch, forward and backward: attention_torch.py BENCH [SECONDS]

BENCH is build/release/attention_bench, which is run in turn with the same work in this Python's torch: softmax(q k) v from
matrix products (unfused), and scaled_dot_product_attention where the version has it. Both get tensors (B, heads, T, 64),
contiguous, and a mask made beforehand. Prints medians of ROUNDS turns and the ratio. With one thread times are processor
time, so that neighbours count less."""
import math, os, re, statistics, subprocess, sys, time

bench = sys.argv[1]
seconds = sys.argv[2] if len(sys.argv) > 2 else "0.3"
ROUNDS = int(os.environ.get("ROUNDS", "3"))
import torch


def unfused(q, k, v, mask):
    score = (q @ k.transpose(-1, -2)) * (1 / math.sqrt(q.shape[-1]))
    if mask is not None:
        score = score.masked_fill(mask, -math.inf)
    return torch.softmax(score, -1) @ v


def fused(q, k, v, mask):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=mask is not None)


def turn(form, t, causal, threads):
    clock = time.process_time if threads == 1 else time.perf_counter
    q, k, v, dy = (torch.rand(4096 // t, 6, t, 64) * 2 - 1 for _ in range(4))
    for x in (q, k, v):
        x.requires_grad_()
    mask = torch.triu(torch.ones(t, t, dtype=torch.bool), 1) if causal else None
    times, end = [], time.time() + float(seconds)
    while len(times) < 3 or time.time() < end:
        start = clock()
        y = form(q, k, v, mask)
        y.backward(dy)
        times.append(clock() - start)
        q.grad = k.grad = v.grad = None
    return 1e3 * statistics.median(times)


def ours(t, causal, threads):
    line = subprocess.run([bench, seconds, str(t), str(int(causal)), str(threads)], check=True, capture_output=True,
                          text=True).stdout
    forward, backward = re.findall(r"([\d.]+) ms", line)
    return float(forward) + float(backward)


forms = {"unfused": unfused}
if hasattr(torch.nn.functional, "scaled_dot_product_attention"):
    forms["fused"] = fused
only = os.environ.get("THREADS")
for threads in (1, 2):
    if only and int(only) != threads:
        continue
    torch.set_num_threads(threads)
    for causal in (False, True):
        for t in (256, 1024, 4096):
            mine, peer = [], {name: [] for name in forms}
            for _ in range(ROUNDS):
                mine.append(ours(t, causal, threads))
                for name, form in forms.items():
                    peer[name].append(turn(form, t, causal, threads))
            m = statistics.median(mine)
            text = "".join(f"  {name} {statistics.median(x):8.1f} ms, ratio {statistics.median(x) / m:5.2f}"
                           for name, x in peer.items())
            print(f"T {t:5} {'causal' if causal else 'full':6} {threads} threads  ours {m:8.1f} ms  "
                  f"torch {torch.__version__}{text}", flush=True)
