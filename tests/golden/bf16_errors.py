# SPDX-License-Identifier: Apache-2.0
"""How far the operations of tests/cuda/tolerances.hpp come out of PyTorch in bfloat16, against the same in double.

    python3 tests/golden/bf16_errors.py             # on the CPU; writes bf16_errors.txt beside this file

Each operation is written as one writes it in PyTorch, all tensors in bfloat16, on operands that bfloat16 holds, drawn
as the test of the operation draws them and of its shapes. Each error is a share of the limit that the table sets for
the CUDA policy in bf16, measured as the test measures it: 0.5 is where ours is twice PyTorch's.
"""

import pathlib
import re

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
BF16, DOUBLE = torch.bfloat16, torch.float64
UNIT = {BF16: 2.0**-8, torch.float32: 2.0**-24}
HEADER_ROW = re.compile(r'^\s*\{"([^"]+)", ([^,]+), ([^,]+)\}', re.M)


def read_limits():
    """The column of the table for bf16: sums of numbers as C++ writes them."""

    def number(text):
        return float.fromhex(text) if text.startswith("0x") else float(text)

    text = (HERE.parent / "cuda" / "tolerances.hpp").read_text()
    return {name: sum(number(x.strip()) for x in bf16.split("+")) for name, _, bf16 in HEADER_ROW.findall(text)}


LIMITS = read_limits()
worst = {}


def see(name, share):
    worst[name] = max(worst.get(name, 0.0), float(share))


def normal(*shape, scale=1.0):
    return (scale * torch.randn(*shape, dtype=DOUBLE)).to(BF16)


def wide(x):
    """The same values in double, for the exact result."""
    return x.detach().to(DOUBLE)


def leaf(x):
    return x.detach().clone().requires_grad_()


def rounded(name, found, exact, held=BF16):
    """share_of_limit: one rounding of each value to the type that ours is held in, and the limit of the largest."""
    if exact.numel():
        most = UNIT[held] * exact.abs() + LIMITS[name] * exact.abs().max()
        error = (wide(found) - exact).abs()
        see(name, (error / most)[error > 0].max() if (error > 0).any() else 0)


def by_row(name, found, exact, scale):
    """device_array::error: of a row's largest value or of scale, whichever is larger."""
    if exact.numel():
        size = torch.maximum(exact.abs().amax(-1), torch.as_tensor(scale, dtype=DOUBLE))
        see(name, ((wide(found) - exact).abs().amax(-1) / size).max() / LIMITS[name])


def gradients(formula, operands, dy):
    """The gradients of formula(*operands), of the operands' type."""
    leaves = [leaf(x) for x in operands]
    return torch.autograd.grad(formula(*leaves), leaves, dy)


def compare_gradients(names, formula, exact_formula, operands, dy, measure, starts):
    """Both ways: written, and added to what is there already."""
    found = gradients(formula, operands, dy)
    exact = gradients(exact_formula, [wide(x) for x in operands], wide(dy))
    for name, f, e, start in zip(names, found, exact, starts):
        if name:
            measure(name, f, e)
            measure(name, start + f, wide(start) + e)


def elementwise():
    for rows, cols in [(1, 1), (1, 7), (3, 8), (17, 33), (5, 129), (64, 64), (40, 260), (129, 200)]:
        a, b = normal(rows, cols, scale=3), normal(rows, cols, scale=3)
        rounded("add", a + b, wide(a) + wide(b))
        rounded("silu", F.silu(a), F.silu(wide(a)))
        swiglu = lambda gate, up: F.silu(gate) * up
        rounded("swiglu", swiglu(a, b), swiglu(wide(a), wide(b)))
        dy, gate, up, start = (normal(rows, cols, scale=2) for _ in range(4))
        compare_gradients(["swiglu_backward"] * 2, swiglu, swiglu, [gate, up], dy, rounded, [start, start])
        compare_gradients(["silu_backward"], F.silu, F.silu, [up], dy, rounded, [start])
        rounded("accumulate", start + up, wide(start) + wide(up))


def angles():
    # Numbers of steps and places in float32, as PyTorch's models do.
    def frequencies(half, dtype):
        return 1e4 ** (-torch.arange(half, dtype=dtype) / half)

    for rows in (1, 5, 33):
        for half in (1, 7, 128, 300):
            t = 1000 * torch.randn(rows).abs()
            embed = lambda t, f: torch.cat([(t[:, None] * f).cos(), (t[:, None] * f).sin()], 1)
            found = embed(t, frequencies(half, torch.float32)).to(BF16)
            rounded("timestep_embedding", found, embed(t.to(DOUBLE), frequencies(half, DOUBLE)))
            places = torch.randint(100000, (rows,))
            found = embed(places.float(), frequencies(half, torch.float32))
            rounded("rope_table", found, embed(places.to(DOUBLE), frequencies(half, DOUBLE)), torch.float32)

    def turn(x, c, s):
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack([a * c - b * s, a * s + b * c], -1).flatten(-2)

    for rows in (1, 7, 65):
        for width in (2, 6, 8, 20, 64):
            for heads in (1, 2, 5):
                x, c, s = normal(rows, heads, width), normal(rows, 1, width // 2), normal(rows, 1, width // 2)
                rounded("rope", turn(x, c, s), turn(wide(x), wide(c), wide(s)))
    angle = torch.tensor([0, 1, 77, 4095], dtype=DOUBLE)[:, None, None] * frequencies(32, DOUBLE)
    c, s, x = angle.cos().to(BF16), angle.sin().to(BF16), normal(4, 2, 64)
    by_row("rope_and_back", turn(turn(x, c, s), c, -s).flatten(1), wide(x).flatten(1), 1.0)


def norm():
    widths = [(1, 1), (9, 7), (33, 64), (100, 200), (70, 256), (5, 512), (37, 1000), (3, 1025), (35, 1536), (3, 2048)]
    for rows, cols in widths + [(2, 3000), (2, 4096), (3, 4104), (18, 8192), (1, 8300)]:
        formula = lambda x, w: F.rms_norm(x, (cols,), w, 1e-5)
        inverse = lambda x: (x.square().mean(-1) + 1e-5).rsqrt()
        x, w, b, dy, start = normal(rows, cols), normal(cols), *(normal(rows, cols) for _ in range(3))
        rounded("rms_norm", formula(x, w), formula(wide(x), wide(w)))
        rounded("rms_norm_inverse", inverse(x), inverse(wide(x)), torch.float32)
        rounded("add_rms_norm_sum", x + b, wide(x) + wide(b))
        held = x + b  # the rounded sum is what is normalised
        rounded("rms_norm", formula(held, w), formula(wide(held), wide(w)))
        measure_w = lambda name, f, e: rounded(name, f, e, torch.float32)
        compare_gradients(["rms_norm_backward", None], formula, formula, [x, w], dy, rounded, [start, w])
        names, starts = [None, "rms_norm_backward_dw"], [start, normal(cols)]
        compare_gradients(names, formula, formula, [x, w], dy, measure_w, starts)




def rows_of_tables():
    shapes = [(1, 1, 1), (7, 33, 3), (20, 8, 20), (20, 8, 11), (65, 64, 9), (40, 200, 39), (300, 16, 130)]
    for rows, cols, some in shapes:
        dy, dx = normal(some, cols), normal(rows, cols)
        rounded("scatter_rows_backward", dx[:some] + dy, wide(dx[:some]) + wide(dy))
        for names in (torch.randperm(rows)[:some], torch.randint(rows, (some,)), torch.zeros(some, dtype=torch.long)):
            for start in (dx, torch.zeros_like(dx)):
                exact = wide(start).index_add(0, names, wide(dy))
                rounded("gather_rows_backward", start.index_add(0, names, dy), exact)


def linear():
    shapes = [(1, 1, 1), (1, 7, 15), (2, 1, 3), (5, 33, 130), (17, 64, 16), (64, 200, 65), (255, 17, 31), (300, 40, 24)]
    for rows, inner, out in shapes + [(16, 600, 8)]:
        size = lambda terms: terms**0.5 / 4
        for bias in (None, normal(out)):
            x, w = normal(rows, inner), normal(out, inner)
            exact = F.linear(wide(x), wide(w), None if bias is None else wide(bias))
            by_row("linear", F.linear(x, w, bias), exact, size(inner))
        by_row("logits", F.linear(x, w), F.linear(wide(x), wide(w)), size(inner))
        dy, start = normal(rows, out), [normal(rows, inner), normal(out, inner), normal(1, out)]
        measures = {"linear_backward_dx": size(out), "linear_backward_dw": size(rows), "linear_backward_db": size(rows)}
        measure = lambda name, f, e: by_row(name, f, e, measures[name])
        formula = lambda x, w, b: F.linear(x, w, b[0])
        compare_gradients(list(measures), formula, formula, [x, w, normal(1, out)], dy, measure, start)


def head():
    for rows, width, vocabulary in [(1, 1, 1), (2, 7, 7), (17, 33, 64), (40, 64, 521), (3, 16, 2500), (5, 8, 3)]:
        for z_weight in (0.0, 0.01):
            x, w, dw = normal(rows, width), normal(vocabulary, width, scale=0.3), normal(vocabulary, width, scale=0.01)
            targets = torch.randint(vocabulary, (rows,))
            weights = (0.125 + torch.randn(rows, dtype=DOUBLE).abs()).to(BF16)

            def losses(x, w):
                logits = F.linear(x, w)
                log_z = logits.logsumexp(-1)
                return F.cross_entropy(logits, targets, reduction="none") + z_weight * log_z.square(), log_z

            (loss, log_z), (exact_loss, exact_log_z) = losses(x, w), losses(wide(x), wide(w))
            by_row("cross_entropy", loss[:, None], exact_loss[:, None], 1.0)
            by_row("cross_entropy", log_z[:, None], exact_log_z[:, None], 1.0)
            found = gradients(lambda x, w: losses(x, w)[0], [x, w], weights)
            exact = gradients(lambda x, w: losses(x, w)[0], [wide(x), wide(w)], wide(weights))
            size = wide(weights) * wide(w)[targets].abs().amax(-1).clamp(min=0.3)
            by_row("cross_entropy_dx", found[0], exact[0], size)
            by_row("cross_entropy_dw", dw + found[1], wide(dw) + exact[1], 0.01)
    for rows in (1, 5, 64, 300):
        for width in (1, 33, 128, 200):
            for vocabulary in (1, 8, 1000):
                ids, dy, start = torch.randint(vocabulary, (rows,)), normal(rows, width), normal(vocabulary, width)
                table = lambda t: F.embedding(ids, t)
                found, exact = gradients(table, [start], dy)[0], gradients(table, [wide(start)], wide(dy))[0]
                by_row("embedding_backward", start + found, wide(start) + exact, 1.0)


def image():
    for values in (12, 300, 3 * 64 * 112, 3 * 256 * 320):
        x, a, b, start = torch.randn(values), normal(values), normal(values), normal(values)
        coefficients = normal(2)
        rounded("patchify", x.to(BF16), x.to(DOUBLE))
        rounded("unpatchify_backward", start + a, wide(start) + wide(a))
        mix = lambda a, b, c: c[0] * a + c[1] * b
        rounded("mix", mix(a, b, coefficients), mix(wide(a), wide(b), wide(coefficients)), torch.float32)
        loss = lambda p, t: F.mse_loss(p, t).reshape(1)
        name = "pointwise_error" if values <= 3 * 64 * 112 else "pointwise_error_large"
        rounded(name, loss(a, b), loss(wide(a), wide(b)), torch.float32)
        weight = normal(1)
        compare_gradients(["pointwise_error_backward", None], loss, loss, [a, b], weight, rounded, [start, start])


def optimiser():
    for count in (1, 3, 257, 16384, 100003):
        x = normal(count)
        rounded("sum_of_squares", x.square().sum()[None], wide(x).square().sum()[None], torch.float32)
    for count in (1, 5, 64, 1027):
        w, ema, steps = normal(count), normal(count), [normal(count) for _ in range(3)]

        def run(dtype):
            parameter, average = leaf(w.to(dtype)), ema.to(dtype)
            adamw = torch.optim.AdamW([parameter], lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
            for gradient in steps:
                parameter.grad = gradient.to(dtype)
                adamw.step()
                average = 0.99 * average + 0.01 * parameter.detach()
            state = adamw.state[parameter]
            return parameter.detach(), state["exp_avg"], state["exp_avg_sq"], average

        for found, exact in zip(run(BF16), run(DOUBLE)):
            rounded("adamw", found, exact, torch.float32)


def masks(rows, keys):
    """The masks of the paper's kind, each row with a key: causal, all, documents with images, a hole."""
    row, key = torch.arange(rows)[:, None] + max(0, keys - rows), torch.arange(keys)[None]
    row = row.clamp(max=keys - 1)
    causal = key <= row
    document = torch.randint(1, 60, (1,))
    same = row // document == key // document
    image = (row // 20 == key // 20) & same
    hole = (key < (row + 1) // 4) | (key > row - 30)
    return causal, torch.ones_like(causal), (causal & same) | image, hole & causal


def attend(q, k, v, visible):
    """Rows first, as ours; key heads are shared by groups of heads."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    return F.scaled_dot_product_attention(*(x.transpose(0, 1)[None] for x in (q, k, v)), visible)[0].transpose(0, 1)


def weights_of(q, k, visible):
    """In double: scores [heads, rows, keys], and the natural logarithms of the sums of their exponentials."""
    scores = torch.einsum("nhc,mhc->hnm", wide(q), wide(k)) / q.shape[-1] ** 0.5
    scores = scores.masked_fill(~visible, -torch.inf)
    return scores, scores.logsumexp(-1)


def share_of_attention(found, q, k, v, visible):
    """judge of attention_problem.hpp, on tensor cores."""
    exact, a = (attend(wide(q), wide(k), values, visible) for values in (wide(v), wide(v).abs()))
    u = UNIT[BF16]
    most = u * a + u * (exact.abs() + u * a) + LIMITS["attention"] * a
    see("attention", ((wide(found) - exact).abs() / most).max())


def share_of_attention_backward(found, dy, q, k, v, o, visible):
    """share_of_limit of attention_backward_test.cpp; o is what the backward pass was given."""
    group = q.shape[1] // k.shape[1]
    q, dy, o, scale = wide(q), wide(dy), wide(o), q.shape[-1] ** -0.5
    k, v = (wide(x).repeat_interleave(group, 1) for x in (k, v))
    scores, lse = weights_of(q, k, visible)
    p = (scores - lse[..., None]).exp()
    p_doubt = p * (1 + scale * torch.einsum("nhc,mhc->hnm", q.abs(), k.abs()) + lse.abs()[..., None])
    dp, delta = torch.einsum("nhc,mhc->hnm", dy, v), torch.einsum("nhc,nhc->hn", dy, o)[..., None]
    sizes = torch.einsum("nhc,mhc->hnm", dy.abs(), v.abs()) + torch.einsum("nhc,nhc->hn", dy.abs(), o.abs())[..., None]
    ds, ds_size = scale * p * (dp - delta), scale * p * (dp - delta).abs()
    ds_doubt = scale * (p_doubt * (dp - delta).abs() + p * sizes)
    shared = lambda x: x.unflatten(1, (-1, group)).sum(2)
    to_keys, to_rows = "hnm,nhc->mhc", "hnm,mhc->nhc"
    parts = [
        (torch.einsum(to_rows, x, y) for x, y in ((ds, k), (ds_size, k.abs()), (ds_doubt, k.abs()))),
        (shared(torch.einsum(to_keys, x, y)) for x, y in ((ds, q), (ds_size, q.abs()), (ds_doubt, q.abs()))),
        (shared(torch.einsum(to_keys, x, y)) for x, y in ((p, dy), (p, dy.abs()), (p_doubt, dy.abs()))),
    ]
    for f, (exact, terms, uncertainty) in zip(found, parts):
        most = UNIT[BF16] * (terms + exact.abs()) + LIMITS["attention_backward"] * uncertainty + 1e-30
        see("attention_backward", ((wide(f) - exact).abs() / most).max())


def attention():
    pick = lambda *among: among[int(torch.randint(len(among), (1,)))]
    for width in (32, 64, 128, 24, 80):
        for _ in range(16):
            keys = pick(1, 2, 16, 63, 64, 65, 100, 129, 200)
            rows = pick(keys, pick(1, 3, 15, 17, 64, 70, 130))
            kv_heads = pick(1, 2)
            heads = kv_heads * pick(1, 2, 4)
            for visible in masks(rows, keys):
                q, k, v = normal(rows, heads, width), normal(keys, kv_heads, width), normal(keys, kv_heads, width)
                dy = normal(rows, heads, width)
                if width in (32, 64, 128):  # where ours rounds the weights as PyTorch does
                    share_of_attention(attend(q, k, v, visible), q, k, v, visible)
                leaves = [leaf(x) for x in (q, k, v)]
                o = attend(*leaves, visible)
                found = torch.autograd.grad(o, leaves, dy)
                share_of_attention_backward(found, dy, q, k, v, o, visible)
                if heads == kv_heads:
                    batch = [x.transpose(0, 1)[None] for x in (q, k, v)]
                    bias = torch.zeros(visible.shape, dtype=BF16).masked_fill(~visible, -torch.inf)
                    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
                    lse = flash(*batch, attn_mask=bias)[1][0].reshape(heads, rows)
                    exact = weights_of(q, k, visible)[1]
                    most = LIMITS["attention_lse"] * (1 + exact.abs())
                    see("attention_lse", ((wide(lse) - exact).abs() / most).max())
    q, k, v = normal(70, 1, 64), normal(200, 1, 64), normal(200, 1, 64)
    k = (wide(k) * torch.arange(1, 201)[:, None, None]).to(BF16)  # scores of some hundreds, rising along the keys
    error = attend(q, k, v, None).to(DOUBLE) - attend(wide(q), wide(k), wide(v), None)
    see("attention_large_scores", error.abs().max() / LIMITS["attention_large_scores"])


def elementwise_of_codecs():
    for rows, cols in [(1, 1), (1, 7), (3, 8), (17, 33), (5, 129), (64, 64), (40, 260), (129, 200)]:
        a, b = normal(rows, cols, scale=3), normal(rows, cols, scale=3)
        dy, gate, up, start = (normal(rows, cols, scale=2) for _ in range(4))
        product = lambda a, b: a * b
        rounded("multiply", product(a, b), product(wide(a), wide(b)))
        compare_gradients(["multiply_backward"] * 2, product, product, [gate, up], dy, rounded, [start, start])
        rounded("gelu", F.gelu(a), F.gelu(wide(a)))
        compare_gradients(["gelu_backward"], F.gelu, F.gelu, [up], dy, rounded, [start])
        for rate in (0.1, 0.5, 0.75):
            kept = (torch.rand(rows, cols) >= rate).to(BF16)
            dropout = lambda x, mask: x * mask / (1 - rate)
            exact = dropout(wide(a), wide(kept))
            rounded("dropout", dropout(a, kept), exact)
            rounded("dropout", start + dropout(a, kept), wide(start) + exact)
        rounded("concatenate_backward", start + dy, wide(start) + wide(dy))


def normed(name, formula, operands, dy, start):
    """A norm of x with a gain and an offset, and its gradients; those of gain and offset are held in float."""
    x, w, b = operands
    rounded(name, formula(x, w, b), formula(wide(x), wide(w), wide(b)))
    measure_w = lambda name, f, e: rounded(name, f, e, torch.float32)
    compare_gradients([name + "_backward", None, None], formula, formula, operands, dy, rounded, [start, w, b])
    names = [None, name + "_backward_dw", name + "_backward_dw"]
    compare_gradients(names, formula, formula, operands, dy, measure_w, [start, normal(*w.shape), normal(*b.shape)])


def statistics(name, x, epsilon):
    """Mean and 1/deviation of each row of x."""
    both = lambda x: torch.stack([x.mean(-1), (x.var(-1, unbiased=False) + epsilon).rsqrt()], -1)
    by_row(name, both(x), both(wide(x)), 1.0)


def norms_of_two_sums():
    widths = [(9, 7), (33, 64), (100, 200), (70, 256), (5, 512), (37, 1000), (3, 1025), (35, 1536), (3, 2048)]
    for rows, cols in widths + [(2, 3000), (3, 4104), (18, 8192), (1, 8300)]:
        x, w, b, dy, start = normal(rows, cols), normal(cols), normal(cols), *(normal(rows, cols) for _ in range(2))
        layer = lambda x, w, b: F.layer_norm(x, (cols,), w, b, 1e-3)
        normed("layer_norm", layer, [x, w, b], dy, start)
        statistics("layer_norm_statistics", x, 1e-3)
    for rows, groups, each in [(1, 2, 3), (5, 1, 7), (37, 4, 8), (64, 2, 64), (150, 8, 4), (9, 1, 2056), (700, 2, 16)]:
        x, dy, start = (normal(1, groups * each, rows) for _ in range(3))
        group = lambda x, w, b: F.group_norm(x, groups, w, b, 1e-3)
        normed("group_norm", group, [x, normal(groups * each), normal(groups * each)], dy, start)
        statistics("group_norm_statistics", x.reshape(groups, each * rows), 1e-3)


def convolutions():
    names = ["convolution_backward_dx", "convolution_backward_dw", "convolution_backward_db"]
    for size, kernel, stride, channels, out in [
        ((1, 1), 1, 1, 1, 1),
        ((1, 1), 3, 2, 3, 8),
        ((5, 7), 3, 1, 8, 16),
        ((8, 6), 3, 2, 33, 5),
        ((9, 14), 3, 1, 64, 65),
        ((13, 13), 1, 2, 16, 40),
    ]:
        x, w, b = normal(1, channels, *size), normal(out, channels, kernel, kernel), normal(out)
        formula = lambda x, w, b: F.conv2d(x, w, b, stride, kernel // 2)
        # Pixels are the rows, and a row of weights is all of an output's.
        pixels = lambda y: y[0].flatten(1).T
        y, exact = formula(x, w, b), formula(wide(x), wide(w), wide(b))
        by_row("convolution", pixels(y), pixels(exact), (kernel * kernel * channels) ** 0.5 / 4)
        rows = y.shape[2] * y.shape[3]
        dy, starts = normal(*y.shape), [normal(*x.shape), normal(*w.shape), normal(out)]
        sizes = dict(zip(names, (kernel * kernel * out, rows, rows)))

        def measure(name, f, e):
            shaped = pixels if name.endswith("dx") else lambda g: g.reshape(1 if g.dim() == 1 else out, -1)
            by_row(name, shaped(f), shaped(e), sizes[name] ** 0.5 / 4)

        # oneDNN leaves memory that nobody wrote in the bfloat16 gradients of some small weights.
        with torch.backends.mkldnn.flags(enabled=False):
            compare_gradients(names, formula, formula, [x, w, b], dy, measure, starts)


def image_statistics():
    for values in (12, 300, 3 * 64 * 112, 3 * 256 * 320):
        a, b, start = normal(values), normal(values), normal(values)
        match = lambda x, other: x * (0.7 * other.std(unbiased=False) / x.std(unbiased=False) + 0.3)
        rounded("match_deviation", match(a, b), match(wide(a), wide(b)), torch.float32)

        def threshold(x):
            # There is no quantile in bfloat16.
            limit = x.abs().to(torch.promote_types(x.dtype, torch.float32)).quantile(0.9).to(x.dtype).clamp(min=1)
            return x.clamp(-limit, limit) / limit

        rounded("dynamic_threshold", threshold(a), threshold(wide(a)), torch.float32)
        scaled = lambda e, a, b: (e / (0.01 + 0.1 * torch.maximum(a.abs(), b.abs()))).square().mean().sqrt().reshape(1)
        rounded("scaled_error", scaled(start, a, b), scaled(wide(start), wide(a), wide(b)), torch.float32)


def autoencoders():
    for values in (12, 300, 3 * 64 * 112, 3 * 256 * 320):
        a, b, start, weight = normal(values), normal(values), normal(values), normal(1)
        hinge = lambda p, t: F.relu(1 - t * p).mean().reshape(1)
        for loss in (lambda p, t: F.l1_loss(p, t).reshape(1), hinge):
            name = "pointwise_error" if values <= 3 * 64 * 112 else "pointwise_error_large"
            rounded(name, loss(a, b), loss(wide(a), wide(b)), torch.float32)
            compare_gradients(["pointwise_error_backward", None], loss, loss, [a, b], weight, rounded, [start, start])
    for rows, cols in [(1, 1), (1, 7), (3, 8), (17, 33), (5, 129), (64, 64), (40, 260), (129, 200)]:
        x, dy, start = (normal(rows, cols) for _ in range(3))
        for slope in (0.0, 0.2):
            leaky = lambda x: F.leaky_relu(x, slope)
            rounded("leaky_relu", leaky(x), leaky(wide(x)))
            compare_gradients(["leaky_relu_backward"], leaky, leaky, [x], dy, rounded, [start])
    for size, kernel, stride, channels in [((5, 7), 3, 1, 8), ((8, 6), 3, 2, 33), ((9, 14), 3, 1, 64)]:
        x = normal(1, channels, *size)
        pool = lambda x: F.max_pool2d(x, kernel, stride, kernel // 2)
        dy, start = normal(*pool(x).shape), normal(*x.shape)
        compare_gradients(["max_pool_backward"], pool, pool, [x], dy, rounded, [start])
    for rows, channels in [(1, 1), (5, 3), (64, 4), (37, 8), (300, 16), (1200, 17)]:
        moments, noise, start = normal(rows, 2 * channels), normal(rows, channels), normal(rows, 2 * channels)
        clamped = lambda m: (m[:, :channels], m[:, channels:].clamp(-30, 20))

        def sample(m, e):
            mean, log_variance = clamped(m)
            return mean + (log_variance / 2).exp() * e

        def divergence(m):
            mean, log_variance = clamped(m)
            return (0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()).reshape(1)

        rounded("gaussian_sample", sample(moments, noise), sample(wide(moments), wide(noise)))
        rounded("gaussian_sample_kl", divergence(moments), divergence(wide(moments)), torch.float32)
        dz, weight = normal(rows, channels), normal(1)
        names = ["gaussian_sample_backward", None]
        compare_gradients(names, sample, sample, [moments, noise], dz, rounded, [start, noise])
        compare_gradients(names, divergence, divergence, [moments], weight, rounded, [start])


# New ones last: the draws of the others stay what they were.
FAMILIES = (elementwise, angles, norm, rows_of_tables, linear, head, image, optimiser, attention, elementwise_of_codecs)
FAMILIES += (norms_of_two_sums, convolutions, image_statistics, autoencoders)


def main():
    torch.manual_seed(1)
    for family in FAMILIES:
        family()
    version = torch.__version__.split("+")[0]
    lines = ["// SPDX-License-Identifier: Apache-2.0"]
    lines += [f"// PyTorch {version} on the CPU; written by bf16_errors.py: operation, tolerance in bf16, share of it."]
    lines += [f'{{"{name}", {limit!r}, {worst[name]:.3g}}},' for name, limit in LIMITS.items()]
    (HERE / "bf16_errors.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
