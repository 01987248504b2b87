"""The layers of longconv_layer_bench beside torch's rfft and irfft; longconv_layer.sh says how to run it."""
import math
import os
import re
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

bench = sys.argv[1]


def chosen(name, default):
    return [int(x) for x in os.environ.get(name, default).split()]


TOKENS, WIDTH, ROUNDS = (chosen(*x)[0] for x in (("TOKENS", "65536"), ("WIDTH", "64"), ("ROUNDS", "3")))
LENGTHS = chosen("LENGTHS", "64 128 256 512 1024 2048 4096 8192 16384 32768 65536")
SECONDS, LIMIT = float(os.environ.get("SECONDS", "0.5")), float(os.environ.get("LIMIT", "10"))


def numbers(i, scale, *shape):
    """Input i of the benchmark."""
    j = torch.arange(math.prod(shape), dtype=torch.int64)
    x = (((j * 7919 + torch.div(j, 1009, rounding_mode="floor") * 31 + i) % 1009).float() / 1009 - 0.5) * scale
    return x.reshape(shape).requires_grad_()


def conv_inputs(b, t, h):
    return [numbers(0, 1, b, t, h), numbers(1, 0.1, h, t), numbers(2, 1, h), numbers(3, 0.2, 2 * h, h),
            numbers(4, 0.2, 2 * h)], numbers(5, 1, b, t, h)


def conv_layer(x, k, d, w, bias):
    t = x.shape[1]
    u = x.transpose(1, 2)
    y = torch.fft.irfft(torch.fft.rfft(u, n=2 * t) * torch.fft.rfft(k, n=2 * t), n=2 * t)[..., :t] + d[:, None] * u
    # GELU after the transposition: before it, the gradient of Debian's 1.13 reads operands with wrong strides
    return F.glu(F.linear(F.gelu(y.transpose(1, 2)), w, bias), -1)


def attention_inputs(b, t, h):
    return [numbers(0, 1, b, t, h), numbers(1, 0.5, 3 * h, h), numbers(2, 0.5, 3 * h), numbers(3, 0.5, h, h),
            numbers(4, 0.5, h)], numbers(5, 1, b, t, h)


def attention_layer(x, w, bias, w_out, bias_out):
    b, t, h = x.shape
    q, k, v = F.linear(x, w, bias).reshape(b, t, 3, h // 64, 64).permute(2, 0, 3, 1, 4)
    hidden = torch.triu(torch.ones(t, t, dtype=torch.bool), 1)
    y = torch.softmax((q @ k.transpose(-1, -2) / 8).masked_fill(hidden, -math.inf), -1) @ v
    return F.linear(y.transpose(1, 2).reshape(b, t, h), w_out, bias_out)


def ours(layer, t, batch, threads):
    line = subprocess.run([bench, layer, str(t), str(batch), str(WIDTH), str(threads), str(SECONDS)], check=True,
                          capture_output=True, text=True).stdout
    return float(re.search(r"([\d.]+) ms", line)[1]), [float(x) for x in line.split("squares")[1].split()]


def torch_conv(t, threads):
    """Median milliseconds over SECONDS; the first turn, which touches the memory, does not count."""
    clock = time.process_time if threads == 1 else time.perf_counter
    inputs, dy = conv_inputs(TOKENS // t, t, WIDTH)
    dy = dy.detach()
    times, end = [], time.time() + SECONDS
    while len(times) < 3 or time.time() < end:
        start = clock()
        conv_layer(*inputs).backward(dy)
        times.append(clock() - start)
        for x in inputs:
            x.grad = None
    return 1e3 * statistics.median(times[1:])


def check(name, layer, make, t):
    """Stops when the layers differ from torch's: the sums of squares of output and gradients."""
    inputs, dy = make(2, t, WIDTH)
    y = layer(*inputs)
    y.backward(dy.detach())
    want = [float((x.detach().double() ** 2).sum()) for x in [y] + [x.grad for x in inputs]]
    for mine, theirs in zip(ours(name, t, 2, 1)[1], want):
        if abs(mine - theirs) > 1e-3 * abs(theirs):
            sys.exit(f"{name}: the sums of squares are {mine}, torch's {theirs}: not the same layer")


def crossing(rows):
    """Where the two lines meet, in logarithms between the two lengths around."""
    rows = [(t, conv, attention) for t, conv, attention in rows if attention]
    if rows[0][2] >= rows[0][1]:
        return f"below {rows[0][0]}"
    for (t, conv, attention), (t2, conv2, attention2) in zip(rows, rows[1:]):
        if attention2 >= conv2:
            low, high = math.log(attention / conv), math.log(attention2 / conv2)
            return f"about {round(t * (t2 / t) ** (-low / (high - low)))}"
    return f"above {rows[-1][0]}"


check("conv", conv_layer, conv_inputs, 1000)
check("attention", attention_layer, attention_inputs, 200)
print(f"One layer, forward and backward, {TOKENS} tokens of width {WIDTH}, ms; torch {torch.__version__}, medians of",
      f"{ROUNDS} turns.")
for threads in chosen("THREADS", "1 2"):
    torch.set_num_threads(threads)
    print(f"\n| N, {threads} thread{'s' * (threads > 1)} | long conv | torch | torch / ours | attention |",
          "attention / long conv |")
    print("|---:|---:|---:|---:|---:|---:|")
    rows, expected = [], 0.0
    for t in LENGTHS:
        mine, peer, attention = [], [], []
        for _ in range(ROUNDS):
            mine.append(ours("conv", t, TOKENS // t, threads)[0])
            peer.append(torch_conv(t, threads))
            if expected <= LIMIT * 1e3:
                attention.append(ours("attention", t, TOKENS // t, threads)[0])
        c, p = statistics.median(mine), statistics.median(peer)
        a = statistics.median(attention) if attention else None
        expected = 2 * (a or expected)  # at least: its products grow with N
        text = f"{a:.1f} | {a / c:.2f}" if a else f"above {LIMIT:g} s | above {LIMIT * 1e3 / c:.0f}"
        print(f"| {t} | {c:.1f} | {p:.1f} | {p / c:.2f} | {text} |", flush=True)
        rows.append((t, c, a))
    print(f"\nAttention and the long convolution take the same time at N {crossing(rows)}.")
