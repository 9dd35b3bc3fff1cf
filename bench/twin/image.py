# SPDX-License-Identifier: Apache-2.0
"""One guided image by the usual loop: 1024 words in a KV cache, 250 solver steps, at each the guided and the unguided
pass one after the other, over the 256 patches only.

    python3 bench/twin/image.py [--size 0.16B] [--compile] [--images 5]
    python3 bench/twin/image.py --small             # on a CPU, to try the program out
"""

import argparse
import math
import statistics
import time

import torch

import model as twin


class Cache:
    """Keys and values of every layer in place: no copy of what is there already."""

    def __init__(self, config, rows, device, dtype):
        shape = (config.layers, 2, 1, config.heads, rows, config.width // config.heads)
        self.data, self.rows = torch.zeros(shape, device=device, dtype=dtype), 0


def run_rows(net, x, cache, first, causal, theta_width):
    """x [n, width] as rows first, first + 1, ... of the cache's document."""
    n = x.shape[0]
    cos, sin = twin.rotation(torch.arange(first, first + n, device=x.device), theta_width)
    layer = 0

    def attend(q, k, v):
        nonlocal layer
        keys, values = cache.data[layer]
        keys[:, :, first:first + n], values[:, :, first:first + n] = k, v
        layer += 1
        return torch.nn.functional.scaled_dot_product_attention(
            q, keys[:, :, :first + n], values[:, :, :first + n], is_causal=causal and first == 0 and n > 1)

    return net.trunk(x, cos, sin, attend)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="0.16B", choices=twin.SIZES)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--images", type=int, default=5)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(1)
    device, dtype = ("cpu", torch.float32) if options.small else ("cuda", torch.bfloat16)
    config = twin.Config(2, 64, 2, 100) if options.small else twin.Config.of(options.size)
    words, grid, steps = (12, 2, 3) if options.small else (1024, 16, 250)
    net = twin.Transfusion(config).to(device, dtype).eval()
    head_width, guidance, patches = config.width // config.heads, 3.0, grid * grid
    wait = (lambda: None) if options.small else torch.cuda.synchronize

    def signal_of(u):
        f = lambda v: math.cos((v + 0.008) / 1.008 * math.pi / 2) ** 2
        return f(u) / f(0)

    def predict(x, t, cache, first):
        rows = net.encode(x.to(dtype), t)
        hidden = run_rows(net, rows, cache, first, False, head_width)
        return net.images(net.codec_out(hidden), grid).float()

    net.time_in.float(), net.time_out.float()
    time_of = net.time
    net.time = lambda t: time_of(t).to(dtype)
    denoise = torch.compile(predict, dynamic=False) if options.compile else predict

    @torch.no_grad()
    def draw():
        prompt = torch.cat((torch.tensor([twin.BOS]), torch.randint(4, config.vocabulary, (words,)),
                            torch.tensor([twin.BOI]))).to(device)
        nothing = torch.tensor([twin.BOS, twin.BOI], device=device)
        caches = []
        for tokens in (prompt, nothing):
            cache = Cache(config, len(tokens) + patches, device, dtype)
            run_rows(net, net.embedding(tokens), cache, 0, True, head_width)
            caches.append((cache, len(tokens)))
        side = grid * config.patch
        x = torch.randn(1, config.channels, side, side, device=device)
        for k in range(steps):
            now, after = 1 - k / steps, 1 - (k + 1) / steps
            a, b = max(signal_of(now), 1e-9), signal_of(after)
            t = torch.full((1,), now * 1000.0, device=device)
            guided, unguided = (denoise(x, t, cache, first) for cache, first in caches)
            noise = unguided + guidance * (guided - unguided)
            data = ((x - math.sqrt(1 - a) * noise) / math.sqrt(a)).clamp(-1, 1)
            ratio = a / b  # DDPM's posterior (Ho et al. 2020, eq. 7)
            x = (math.sqrt(b) * (1 - ratio) * data + math.sqrt(ratio) * (1 - b) * x) / (1 - a)
            if k + 1 < steps:
                x = x + math.sqrt((1 - b) / (1 - a) * (1 - ratio)) * torch.randn_like(x)
        return x.cpu()

    draw()
    seconds = []
    for _ in range(1 if options.small else options.images):
        wait()
        start = time.perf_counter()
        picture = draw()
        seconds.append(time.perf_counter() - start)
    assert torch.isfinite(picture).all()
    name = f"image.{options.size}" + ("_compiled" if options.compile else "")
    twin.result(f"{name}.seconds", statistics.median(seconds), "s")


if __name__ == "__main__":
    main()
