# SPDX-License-Identifier: Apache-2.0
"""A training step of the twin: float masters under bf16 autocast, FlexAttention, torch.compile, fused AdamW, clip at 1.

    python3 bench/twin/train_step.py 0.16B [--compile model|block|none] [--steps 25]
    python3 bench/twin/train_step.py --small        # on a CPU: a few tiny steps, to try the program out
"""

import argparse
import statistics
import time

import torch

import model as twin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", nargs="?", default="0.16B", choices=twin.SIZES)
    parser.add_argument("--compile", default="block", choices=("model", "block", "none"))
    parser.add_argument("--mode", default=None, help="of torch.compile, such as max-autotune-no-cudagraphs")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.set_float32_matmul_precision("high")
    cuda = not options.small
    device = "cuda" if cuda else "cpu"
    config = twin.Config.of(options.size)
    if options.small:
        config = twin.Config(layers=2, width=64, heads=2, vocabulary=100)
    words, grid, documents = ((3, 4, 5), 2, 2) if options.small else ((170, 168, 168), 16, 4)
    batch = twin.Rows(documents, words, grid, config, device)
    net = twin.Transfusion(config).to(device)
    decayed = [p for p in net.parameters() if p.dim() == 2]
    rest = [p for p in net.parameters() if p.dim() != 2]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}],
        lr=1e-4, betas=(0.9, 0.95), eps=1e-8, fused=cuda)
    cos, sin = twin.rotation(batch.positions, config.width // config.heads)

    if cuda:
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        mask = create_block_mask(batch.mask_mod(), None, None, batch.rows, batch.rows, device=device)
        flex = torch.compile(flex_attention) if options.compile == "none" else flex_attention
        attend = lambda q, k, v: flex(q, k, v, block_mask=mask)
    else:
        dense = batch.dense_mask()
        attend = lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=dense)

    loss_of = net.loss
    if cuda and options.compile == "model":
        loss_of = torch.compile(net.loss, mode=options.mode, dynamic=False)
    elif cuda and options.compile == "block":
        torch._dynamo.config.cache_size_limit = 64  # one entry a block, where the code is not shared
        for block in net.blocks:
            block.compile(mode=options.mode, dynamic=False)

    def step():
        x_t, t, noise = twin.noised(batch.values, None)
        with torch.autocast(device, torch.bfloat16, enabled=cuda):
            loss = loss_of(batch.tokens, batch.patch_rows, batch.text_rows, batch.targets, x_t, t, noise, cos, sin,
                           attend)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0, foreach=cuda)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return loss.detach()

    wait = torch.cuda.synchronize if cuda else (lambda: None)
    start = time.perf_counter()
    first = step()
    wait()
    compile_seconds = time.perf_counter() - start
    for _ in range(5 if cuda else 1):
        step()
    wait()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(options.steps if cuda else 3):
        start = time.perf_counter()
        last = step()
        wait()
        seconds.append(time.perf_counter() - start)
    t = statistics.median(seconds)
    flops = twin.training_flops(config, batch)
    name = f"train.{options.size}.{options.compile}"
    print(f"torch {torch.__version__}, compile {options.compile}, mode {options.mode}, "
          f"first step {compile_seconds:.1f} s, loss {first.item():.4f} to {last.item():.4f}")
    twin.result(f"{name}.rows", batch.rows, "rows")
    twin.result(f"{name}.targets", batch.targets.shape[0], "rows")
    twin.result(f"{name}.flops", flops * 1e-12, "TFLOP")
    twin.result(f"{name}.seconds", t, "s")
    twin.result(f"{name}.rate", batch.rows / t, "tokens/s")
    twin.result(f"{name}.model_flops", flops / t * 1e-12, "TFLOP/s")
    if cuda:
        twin.result(f"{name}.peak", torch.cuda.max_memory_allocated() * 1e-9, "GB")
        twin.result(f"{name}.peak_reserved", torch.cuda.max_memory_reserved() * 1e-9, "GB")


if __name__ == "__main__":
    main()
