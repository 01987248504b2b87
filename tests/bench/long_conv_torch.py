"""The long convolution of long_conv_bench by torch's rfft and irfft: microseconds a row, forward and backward.

Usage: long_conv_torch.py [THREADS [LEAST [GREATEST]]]; 16 x 128 rows, fewer where they would not fit."""
import sys
import time

import torch

threads, least, most = [int(v) for v in sys.argv[1:] + ["1", "1024", "65536"][len(sys.argv) - 1:]]
torch.set_num_threads(threads)
print(f"torch {torch.__version__}, {threads} thread(s); us a row")
t = least
while t <= most:
    b, h = 16, 128
    while b * h * t > 1 << 25 and h > 1:
        h //= 2
    u = torch.rand(b, h, t, requires_grad=True)
    k = torch.rand(h, t, requires_grad=True)
    dy = torch.rand(b, h, t)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        y = torch.fft.irfft(torch.fft.rfft(u, n=2 * t) * torch.fft.rfft(k, n=2 * t), n=2 * t)[..., :t]
        middle = time.perf_counter()
        y.backward(dy)
        times.append((middle - start, time.perf_counter() - middle))
        u.grad = k.grad = None
    forward, backward = [sorted(v)[len(v) // 2] / (b * h) * 1e6 for v in zip(*times)]
    print(f"{t:8d} {b} x {h:<3d}  forward {forward:9.2f} us   backward {backward:9.2f} us", flush=True)
    t *= 2
