# SPDX-License-Identifier: Apache-2.0
"""FlexAttention under the masks of bench/cuda/attention_bench.cpp: the same shapes, rows, images and count.

    python3 bench/twin/attention.py [--rows 4096,2048,1024,512]
    python3 bench/twin/attention.py --small         # on a CPU, not compiled, to try the program out
"""

import argparse
import statistics
import time

import torch

import model as twin

ALL_ROWS, ALL_WIDTH = 16384, 2048


def ends(rows, kind):
    """The row after the last key of each row; 256 patches stand at 200 + 512 i where they fit."""
    end = []
    for n in range(rows):
        first = n // 512 * 512 + 200
        image = first <= n < first + 256 and first + 256 <= rows
        end.append(rows if kind == "bidirectional" else first + 256 if kind == "paper" and image else n + 1)
    return end


def median_seconds(call, wait, repeats):
    for _ in range(5):
        call()
    wait()
    start = time.perf_counter()
    call()
    wait()
    calls = max(1, min(1000, int(0.004 / (time.perf_counter() - start))))
    seconds = []
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        for _ in range(calls):
            call()
        wait()
        seconds.append((time.perf_counter() - start) / calls)
    return statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="4096,2048,1024,512")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    torch.manual_seed(1)
    device, dtype = ("cpu", torch.float32) if options.small else ("cuda", torch.bfloat16)
    wait = (lambda: None) if options.small else torch.cuda.synchronize
    flex = flex_attention if options.small else torch.compile(flex_attention, dynamic=False)
    rows_list = [512] if options.small else [int(r) for r in options.rows.split(",")]
    all_rows, all_width, repeats = (512, 128, 2) if options.small else (ALL_ROWS, ALL_WIDTH, 25)

    def mask_of(rows, kind, make=create_block_mask):
        end = torch.tensor(ends(rows, kind), device=device)
        see = lambda b, h, q, k: k < end[q]
        return make(see, None, None, rows, rows, device=device), end

    # As a batch's mask is made: the ends of its rows are new, shapes and code are not. The faster of the two counts.
    def preparation(make):
        end = torch.tensor(ends(4096, "paper"), device=device)
        see = lambda b, h, q, k: k < end[q]
        return median_seconds(lambda: make(see, None, None, 4096, 4096, device=device), wait, repeats)

    plain = preparation(create_block_mask)
    twin.result("mask_preparation_plain", plain, "s")
    try:
        compiled = plain if options.small else preparation(torch.compile(create_block_mask))
        twin.result("mask_preparation_compiled", compiled, "s")
    except Exception as e:  # what the compiler refuses is no result
        print("create_block_mask compiled:", type(e).__name__, str(e)[:200])
        compiled = plain
    twin.result("mask_preparation", min(plain, compiled), "s")

    for rows in rows_list:
        for width in (64, 128):
            for kind in ("paper", "causal", "bidirectional"):
                mask, end = mask_of(rows, kind)
                heads, batch = all_width // width, all_rows // rows
                make = lambda: torch.randn(batch, heads, rows, width, device=device, dtype=dtype)
                q, k, v = (make().requires_grad_(not options.small) for _ in range(3))
                d_o = make()
                run = lambda: flex(q, k, v, block_mask=mask)
                with torch.no_grad():
                    forward = median_seconds(run, wait, repeats)
                flops = 4 * end.sum().item() * batch * all_width * 1e-12
                where = f"{kind}.C{width}.N{rows}"
                twin.result(f"attention.forward.{where}", flops / forward, "TFLOP/s")
                if options.small:  # FlexAttention has no backward on a CPU
                    continue
                o = run()
                backward = median_seconds(
                    lambda: torch.autograd.grad(o, (q, k, v), d_o, retain_graph=True), wait, repeats)
                twin.result(f"attention.backward.{where}", 2.5 * flops / backward, "TFLOP/s")


if __name__ == "__main__":
    main()
