# SPDX-License-Identifier: Apache-2.0
"""LPIPS by torch, on a network of VGG's kind with few channels: what tests/autoencoder/features_test.cpp compares with.

    python3 tests/golden/lpips.py                   # needs torch; writes lpips.txt beside this file

The computation is that of LPIPS 0.1 (scaled input, features of unit length, squared differences weighed channel by
channel, mean over pixels, sum over maps) in double precision, written out here, as its package ships large networks only.
"""

import pathlib

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
STAGES = [[3, 4], [5]]
SHIFT, SCALE = [-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]


def rounded(*shape, scale=1.0):
    """Numbers that float and decimal text hold exactly enough."""
    return (torch.randn(*shape, dtype=torch.float64) * scale).mul(64).round().div(64)


def features(x, weights):
    shift, scale = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1) for v in (SHIFT, SCALE))
    h, maps = (x - shift) / scale, []
    for number, stage in enumerate(weights):
        if number > 0:
            h = F.max_pool2d(h, 2, 2)
        for w, b in stage:
            h = F.relu(F.conv2d(h, w, b, padding=1))
        maps.append(h)
    return maps


def distance(x, y, weights, channel_weights):
    total = 0
    for f, g, w in zip(features(x, weights), features(y, weights), channel_weights):
        f, g = (m / (m.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) for m in (f, g))
        total += ((f - g) ** 2 * w.view(1, -1, 1, 1)).sum(1).mean((1, 2))
    return total


def line(name, values):
    numbers = ", ".join(f"{v:.17g}" for v in values.flatten().tolist())
    return f"const std::vector<double> {name}{{{numbers}}};\n"


def main():
    torch.manual_seed(7)
    weights, into = [], 3
    text = "// SPDX-License-Identifier: Apache-2.0\n"
    text += f"// torch {torch.__version__}; written by lpips.py.\n"
    place = 0
    for stage in STAGES:
        weights.append([])
        for out in stage:
            w, b = rounded(out, into, 3, 3, scale=0.4), rounded(out, scale=0.2)
            weights[-1].append((w, b))
            text += line(f"features_{place}_weight", w) + line(f"features_{place}_bias", b)
            into, place = out, place + 2
        place += 1
    channel_weights = [rounded(stage[-1]).abs() for stage in STAGES]
    for number, w in enumerate(channel_weights):
        text += line(f"lin{number}", w)
    x, y = rounded(2, 3, 6, 4, scale=0.5), rounded(2, 3, 6, 4, scale=0.5)
    text += line("first_images", x) + line("second_images", y)
    text += line("distances", distance(x, y, weights, channel_weights))
    (HERE / "lpips.txt").write_text(text)


if __name__ == "__main__":
    main()
