// SPDX-License-Identifier: Apache-2.0
// Times y = x w^T on one core with the library's own product and with the BLAS, on the shapes of cpu_exec's chunks, and
// prints "own RATE blas RATE" in GFLOP/s. Run by TransfusionProduct.cmake while configuring.
#include <Eigen/Core>
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "transfusion/exec/cpu/product.hpp"

extern "C" void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
                       const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                       const float* beta, float* c, const int* ldc);

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct shape {
  int rows, out, in;
  double flops() const { return 2.0 * rows * out * in; }
};
constexpr shape shapes[] = {{256, 128, 128}, {256, 384, 128}, {256, 512, 512}, {256, 768, 768}};
constexpr double work = 5e8;  // flops a shape and a pass: every shape counts the same
constexpr int passes = 5;     // the best one counts: the machine may be busy

void own(matrix& y, const matrix& x, const matrix& w) {
  using namespace transfusion::detail;
  alignas(64) static float packing[packing_elements];
  product<float>(x.rows(), w.rows(), x.cols(), {x.data(), x.cols()}, {w.data(), w.cols(), true}, false, y.data(),
                 y.cols(), packing);
}

void blas(matrix& y, const matrix& x, const matrix& w) {
  const int rows = static_cast<int>(x.rows()), in = static_cast<int>(x.cols()), out = static_cast<int>(w.rows());
  const float one = 1, zero = 0;
  sgemm_("T", "N", &out, &rows, &in, &one, w.data(), &in, x.data(), &in, &zero, y.data(), &out);
}

template <class Product>
double seconds(Product product, matrix& y, const matrix& x, const matrix& w, int times) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) product(y, x, w);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main() {
  double own_seconds = 0, blas_seconds = 0, flops = 0;
  for (const shape s : shapes) {
    const matrix x = matrix::Random(s.rows, s.in), w = matrix::Random(s.out, s.in);
    matrix y(s.rows, s.out), z(s.rows, s.out);
    own(y, x, w);  // warms both up, and both must agree
    blas(z, x, w);
    if (!((y - z).cwiseAbs().maxCoeff() < 1e-2f)) {
      std::printf("products differ at %d x %d x %d\n", s.rows, s.out, s.in);
      return 1;
    }
    const int times = static_cast<int>(work / s.flops()) + 1;
    double best_own = 1e9, best_blas = 1e9;
    for (int pass = 0; pass < passes; ++pass) {
      best_own = std::min(best_own, seconds(own, y, x, w, times));
      best_blas = std::min(best_blas, seconds(blas, z, x, w, times));
    }
    own_seconds += best_own;
    blas_seconds += best_blas;
    flops += times * s.flops();
  }
  std::printf("own %.1f blas %.1f\n", flops / own_seconds / 1e9, flops / blas_seconds / 1e9);
}
