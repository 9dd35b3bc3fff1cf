# SPDX-License-Identifier: Apache-2.0
"""Statistics and Fréchet distance by numpy and scipy: what tests/metric/frechet_test.cpp compares with.

    python3 tests/golden/frechet.py                 # needs numpy and scipy; writes frechet.txt beside this file

The samples are a formula that the test repeats. The distance takes the square root of the product of the covariances,
as the usual implementations do, where ours takes one of a symmetric matrix.
"""

import pathlib

import numpy
import scipy

HERE = pathlib.Path(__file__).resolve().parent
WIDTH = 5


def samples(count, phase):
    n, f = numpy.arange(count)[:, None], numpy.arange(WIDTH)[None, :]
    return numpy.sin(phase + 0.9 * n * (f + 1)) + 0.5 * numpy.cos(0.37 * n + phase * f)


def distance(x, y):
    a, b = numpy.cov(x, rowvar=False), numpy.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(a @ b).real
    return numpy.square(x.mean(0) - y.mean(0)).sum() + numpy.trace(a + b - 2 * root)


def main():
    x, y = samples(40, 0.3), samples(31, 1.1)
    covariance = numpy.cov(x, rowvar=False)
    lines = ["// SPDX-License-Identifier: Apache-2.0"]
    lines += [f"// numpy {numpy.__version__} and scipy {scipy.__version__}; written by frechet.py: what, row, column, value."]
    lines += [f'{{"mean", {i}, 0, {float(v)!r}}},' for i, v in enumerate(x.mean(0))]
    lines += [f'{{"covariance", {i}, {j}, {float(covariance[i, j])!r}}},' for i in range(WIDTH) for j in range(i + 1)]
    lines += [f'{{"distance", 0, 0, {float(distance(x, y))!r}}},']
    (HERE / "frechet.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
