#!/usr/bin/env python3
"""Attention beside PyTorch, forward and forward + backward: attention_torch.py BENCH [SECONDS]

BENCH is build/release/attention_bench, which is run in turn with the same work in this Python's torch: softmax(q k) v from
matrix products (unfused), and scaled_dot_product_attention where the version has it. Both get tensors (B, heads, T, 64),
contiguous, and a mask made beforehand. A line has, for the forward pass alone (in torch without a tape) and for both
passes, our median of ROUNDS turns and the other's median over it. With one thread times are processor time, so that
neighbours count less. Set THREADS, LENGTHS and MASKS ("full causal") to run a part; SEQLAB_ISA=v3 for AVX2."""
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


def repeat(work, threads):
    """Median milliseconds over SECONDS / 2."""
    clock = time.process_time if threads == 1 else time.perf_counter
    times, end = [], time.time() + float(seconds) / 2
    while len(times) < 3 or time.time() < end:
        start = clock()
        work()
        times.append(clock() - start)
    return 1e3 * statistics.median(times)


def turn(form, t, causal, threads):
    q, k, v, dy = (torch.rand(4096 // t, 6, t, 64) * 2 - 1 for _ in range(4))
    mask = torch.triu(torch.ones(t, t, dtype=torch.bool), 1) if causal else None
    with torch.no_grad():
        forward = repeat(lambda: form(q, k, v, mask), threads)
    for x in (q, k, v):
        x.requires_grad_()

    def both():
        form(q, k, v, mask).backward(dy)
        q.grad = k.grad = v.grad = None

    return forward, repeat(both, threads)


def ours(t, causal, threads):
    line = subprocess.run([bench, seconds, str(t), str(int(causal)), str(threads)], check=True, capture_output=True,
                          text=True).stdout
    forward, backward = (float(x) for x in re.findall(r"([\d.]+) ms", line))
    return forward, forward + backward


def chosen(name, default):
    return os.environ.get(name, default).split()


forms = {"unfused": unfused}
if hasattr(torch.nn.functional, "scaled_dot_product_attention"):
    forms["fused"] = fused
for threads in (int(x) for x in chosen("THREADS", "1 2")):
    torch.set_num_threads(threads)
    for mask in chosen("MASKS", "full causal"):
        for t in (int(x) for x in chosen("LENGTHS", "256 512 1024 4096")):
            mine, peer = [], {name: [] for name in forms}
            for _ in range(ROUNDS):
                mine.append(ours(t, mask == "causal", threads))
                for name, form in forms.items():
                    peer[name].append(turn(form, t, mask == "causal", threads))
            text = f"T {t:5} {mask:6} {threads} threads"
            for part, label in enumerate(("forward", "both")):
                m = statistics.median(x[part] for x in mine)
                text += f"  {label} {m:7.2f} ms"
                for name, x in peer.items():
                    text += f" {name} {statistics.median(y[part] for y in x) / m:5.2f}x"
            print(text, f" torch {torch.__version__}", flush=True)
