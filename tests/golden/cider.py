# SPDX-License-Identifier: Apache-2.0
"""CIDEr-D of captions by pycocoevalcap, the COCO caption evaluation: what tests/metric/cider_test.cpp compares with.

    python3 tests/golden/cider.py                   # needs numpy and pycocoevalcap; writes cider.txt beside this file

Each image is a candidate, its references and its score. The last ones are drawn from few words, so that they have much
in common and repeat themselves, as captions of a model do.
"""

import pathlib
import random
from importlib.metadata import version

from pycocoevalcap.cider.cider import Cider

HERE = pathlib.Path(__file__).resolve().parent

IMAGES = [
    ("a dog runs on the beach", ["a dog runs on the beach", "a brown dog running along the shore", "dog at the sea"]),
    ("a cat sleeps", ["a cat sleeps on a red sofa", "the cat is asleep"]),
    ("a man rides a wave on top of a surfboard in the ocean", ["a man surfing a wave", "a surfer rides a big wave"]),
    ("the the the the the the", ["the bus stops at the corner"]),
    ("nothing shared here", ["two children play with a ball"]),
    ("", ["an empty plate on a table"]),
    ("bus", ["bus", "a bus"]),
    ("a plate of food on a table with a fork", ["a plate of food on a table", "food on a white plate"]),
]
WORDS = "a the dog cat ball red runs sits on beside".split()


def drawn(random, most):
    return " ".join(random.choice(WORDS) for _ in range(random.randint(1, most)))


def images():
    source = random.Random(1)
    more = [(drawn(source, 14), [drawn(source, 14) for _ in range(source.randint(1, 5))]) for _ in range(12)]
    return IMAGES + more


def main():
    candidates = {i: [candidate] for i, (candidate, _) in enumerate(images())}
    references = {i: references for i, (_, references) in enumerate(images())}
    mean, scores = Cider().compute_score(references, candidates)
    lines = ["// SPDX-License-Identifier: Apache-2.0"]
    lines += [f"// pycocoevalcap {version('pycocoevalcap')}; written by cider.py: candidate, references, CIDEr-D."]
    for (candidate, refs), score in zip(images(), scores):
        quoted = ", ".join(f'"{r}"' for r in refs)
        lines += [f'{{"{candidate}", {{{quoted}}}, {float(score)!r}}},']
    (HERE / "cider.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    print(f"mean {float(mean)!r}")


if __name__ == "__main__":
    main()
