# SPDX-License-Identifier: Apache-2.0
"""The paper's model in plain PyTorch, as a measure for the library: the same layers, the same rows, the same count of
operations. Llama blocks (RMSNorm, RoPE over adjacent pairs, SwiGLU, no biases), linear 2 x 2 patches with a timestep
MLP, a head without tied weights over the rows that have a target, and cross-entropy + 5 x squared error."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

SIZES = {"0.16B": (16, 768, 12), "0.37B": (24, 1024, 16), "0.76B": (24, 1536, 24), "1.4B": (24, 2048, 16)}
BOS, EOS, BOI, EOI, IGNORED = 0, 1, 2, 3, -1


def result(name, value, unit):
    """One line for bench/cuda/table.awk."""
    print(f"result torch.{name} {value:.6g} {unit}", flush=True)


@dataclass
class Config:
    layers: int
    width: int
    heads: int
    vocabulary: int = 32000
    patch: int = 2
    channels: int = 8

    @staticmethod
    def of(size):
        return Config(*SIZES[size])

    @property
    def hidden(self):
        multiple = 32 if self.width < 384 else 256
        return (8 * self.width // 3 + multiple - 1) // multiple * multiple

    @property
    def patch_values(self):
        return self.channels * self.patch * self.patch


class Rows:
    """Documents of words, an image, words, an image, words, packed end to end: as in bench/cuda/training_bench.cpp."""

    def __init__(self, documents, words, grid, config, device, seed=7):
        generator = torch.Generator().manual_seed(seed)
        tokens, targets, document, end, patch_rows = [], [], [], [], []

        def put(token, number, is_patch=False):
            follows = document and document[-1] == number and tokens[-1] != IGNORED
            if follows and not is_patch and token != EOI:
                targets[-1] = token
            if tokens and is_patch:
                targets[-1] = IGNORED
            tokens.append(IGNORED if is_patch else token)
            targets.append(IGNORED)
            document.append(number)
            end.append(len(tokens))

        for d in range(documents):
            put(BOS, d)
            for part, count in enumerate(words):
                for t in torch.randint(4, config.vocabulary, (count,), generator=generator).tolist():
                    put(t, d)
                if part + 1 == len(words):
                    continue
                put(BOI, d)
                first = len(tokens)
                for _ in range(grid * grid):
                    patch_rows.append(len(tokens))
                    put(IGNORED, d, is_patch=True)
                end[first:] = [first + grid * grid] * (grid * grid)
                put(EOI, d)
            put(EOS, d)
        images = documents * (len(words) - 1)
        rows = len(tokens)
        first_row = [document.index(d) for d in document]
        self.rows, self.images, self.grid = rows, images, grid
        self.pairs = sum(e - f for e, f in zip(end, first_row))
        as_tensor = lambda x: torch.tensor(x, device=device)
        self.tokens = as_tensor([max(t, 0) for t in tokens])
        self.text_rows = as_tensor([n for n in range(rows) if targets[n] != IGNORED])
        self.targets = as_tensor([t for t in targets if t != IGNORED])
        self.patch_rows = as_tensor(patch_rows)
        self.positions = as_tensor([n - f for n, f in enumerate(first_row)])
        self.document, self.end = as_tensor(document), as_tensor(end)
        side = grid * config.patch
        self.values = torch.randn(images, config.channels, side, side, generator=generator).to(device)

    def mask_mod(self):
        """The paper's mask over packed documents: a row sees its document up to itself, a patch to its image's end."""
        document, end = self.document, self.end

        def see(b, h, q, k):
            return (document[q] == document[k]) & (k < end[q])

        return see

    def dense_mask(self):
        keys = torch.arange(self.rows, device=self.end.device)
        return (self.document[:, None] == self.document[None, :]) & (keys[None, :] < self.end[:, None])


def rotation(positions, width, theta=10000.0):
    """cos and sin [rows, width / 2] of position * theta^(-2i/width)."""
    frequency = theta ** (-torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width)
    angle = positions[:, None].float() * frequency
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Adjacent pairs of x [B, H, rows, width]."""
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2).to(x.dtype)


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight, 1e-5).to(x.dtype)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c.heads
        linear = lambda i, o: nn.Linear(i, o, bias=False)
        self.attention_norm, self.feed_forward_norm = Norm(c.width), Norm(c.width)
        self.qkv, self.wo = linear(c.width, 3 * c.width), linear(c.width, c.width)
        self.w13, self.w2 = linear(c.width, 2 * c.hidden), linear(c.hidden, c.width)

    def forward(self, x, cos, sin, attend):
        q, k, v = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1)).permute(1, 2, 0, 3)[:, None]
        o = attend(rotate(q, cos, sin), rotate(k, cos, sin), v)
        x = x + self.wo(o[0].transpose(0, 1).flatten(1))
        gate, up = self.w13(self.feed_forward_norm(x)).chunk(2, -1)
        return x + self.w2(F.silu(gate) * up)


class Transfusion(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config = c
        self.embedding = nn.Embedding(c.vocabulary, c.width)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.final_norm = Norm(c.width)
        self.head = nn.Linear(c.width, c.vocabulary, bias=False)
        self.codec_in, self.codec_out = nn.Linear(c.patch_values, c.width), nn.Linear(c.width, c.patch_values)
        self.time_in, self.time_out = nn.Linear(256, c.width), nn.Linear(c.width, c.width)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                deep = name.endswith(("wo.weight", "w2.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * c.layers) if deep else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        nn.init.zeros_(self.codec_out.weight)

    def time(self, t):
        """t [I] in steps of 1/1000 to [I, width]."""
        frequency = 10000.0 ** (-torch.arange(128, device=t.device, dtype=torch.float32) / 128)
        angle = t[:, None] * frequency
        return self.time_out(F.silu(self.time_in(torch.cat((angle.cos(), angle.sin()), -1))))

    def patches(self, images):
        p, (i, c, h, w) = self.config.patch, images.shape
        cut = images.reshape(i, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5)
        return cut.reshape(i, -1, c * p * p)

    def images(self, patches, grid):
        c, p = self.config.channels, self.config.patch
        back = patches.reshape(-1, grid, grid, c, p, p).permute(0, 3, 1, 4, 2, 5)
        return back.reshape(-1, c, grid * p, grid * p)

    def encode(self, images, t):
        return (self.codec_in(self.patches(images)) + self.time(t)[:, None]).flatten(0, 1)

    def trunk(self, x, cos, sin, attend):
        for block in self.blocks:
            x = block(x, cos, sin, attend)
        return self.final_norm(x)

    def loss(self, batch_tokens, patch_rows, text_rows, targets, x_t, t, noise, cos, sin, attend):
        encoded = self.encode(x_t, t)
        x = self.embedding(batch_tokens).to(encoded.dtype).index_copy(0, patch_rows, encoded)
        hidden = self.trunk(x, cos, sin, attend)
        text = F.cross_entropy(self.head(hidden[text_rows]).float(), targets)
        grid = math.isqrt(patch_rows.shape[0] // x_t.shape[0])
        return text + 5 * F.mse_loss(self.images(self.codec_out(hidden[patch_rows]), grid).float(), noise)


def noised(values, step):
    """x_t, t in steps and the noise, by the cosine schedule (Nichol & Dhariwal); times and noise are drawn anew."""
    u = torch.rand(values.shape[0], device=values.device)
    f = lambda v: torch.cos((v + 0.008) / 1.008 * math.pi / 2) ** 2
    signal = (f(u) / f(torch.zeros_like(u))).clamp(0, 1)[:, None, None, None]
    noise = torch.randn_like(values)
    return signal.sqrt() * values + (1 - signal).sqrt() * noise, u * 1000, noise


def training_flops(c, batch):
    """As include/transfusion/metric/flops.hpp counts them: backward is twice forward."""
    blocks = c.layers * (4 * c.width**2 + 3 * c.width * c.hidden + 2 * c.width)
    head = c.vocabulary * c.width
    codec = 2 * c.patch_values * c.width + c.width + c.patch_values
    rows, targets, patches = batch.rows, batch.targets.shape[0], batch.patch_rows.shape[0]
    return 3 * (2 * (blocks * rows + head * targets + codec * patches) + 4 * c.layers * c.width * batch.pairs)
