// SPDX-License-Identifier: Apache-2.0
// What the device gives: the rates that the other programs' results are shares of.
#include "measure.hpp"

using namespace transfusion;

namespace {

/// Bytes read and written a second by a copy within the device.
void copy(const bench::settings& s) {
  bench::exec_type exec;
  const index_t count = s.extent(index_t{1} << 28, 1 << 12);
  const auto from = bench::normal<float>(exec, count, 1), to = bench::normal<float>(exec, count, 2);
  const auto t = bench::measure(exec, s, [&](index_t) { exec.copy(to.all(), from.all()); });
  bench::result("copy", 8.0 * static_cast<double>(count) / t.median * 1e-9, "GB/s", t);
}

/// Operations a second of square products, the best of three sizes.
void products(const bench::settings& s) {
  double best = 0;
  for (const index_t extent : {4096, 8192, 12288}) {
    bench::exec_type exec;
    const index_t n = s.extent(extent, 64);
    const auto x = bench::normal<bf16>(exec, n * n, 1), w = bench::normal<bf16>(exec, n * n, 2, 0.02);
    const buffer<bench::exec_type, bf16> y(exec, n * n);
    const auto t = bench::measure(
        exec, s, [&](index_t) { exec.linear(bench::matrix(y, n), bench::matrix(x, n), bench::matrix(w, n), {}); });
    const double rate = 2 * std::pow(static_cast<double>(n), 3) / t.median * 1e-12;
    bench::result("matmul." + std::to_string(extent), rate, "TFLOP/s", t);
    best = std::max(best, rate);
  }
  bench::result("matmul", best, "TFLOP/s");
}

/// A linear layer of the paper's sizes, forward and backward, N = 4096.
void layers(const bench::settings& s) {
  for (const index_t width : {768, 1536, 2048}) {
    bench::exec_type exec;
    const index_t n = s.extent(4096, 48), d = s.extent(width, 64);
    const index_t sets = s.small ? 1 : 4;
    const auto x = bench::normal<bf16>(exec, sets * n * d, 1), dy = bench::normal<bf16>(exec, sets * n * d, 2),
               w = bench::normal<bf16>(exec, d * d, 3, 0.02);
    const buffer<bench::exec_type, bf16> y(exec, sets * n * d);
    const auto dw = bench::normal<float>(exec, d * d, 4);
    const auto at = [&](const auto& all, index_t i) {
      return bench::matrix(all, d).slice(i % sets * n, (i % sets + 1) * n);
    };
    const auto forward =
        bench::measure(exec, s, [&](index_t i) { exec.linear(at(y, i), at(x, i), bench::matrix(w, d), {}); });
    const auto backward = bench::measure(exec, s, [&](index_t i) {
      exec.linear_backward({at(y, i), false}, bench::matrix(dw, d), {}, at(dy, i), at(x, i), bench::matrix(w, d));
    });
    const double flops = 2.0 * static_cast<double>(n * d * d) * 1e-12;
    bench::result("linear.forward." + std::to_string(width), flops / forward.median, "TFLOP/s", forward);
    bench::result("linear.backward." + std::to_string(width), 2 * flops / backward.median, "TFLOP/s", backward);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, [](const bench::settings& s) {
    copy(s);
    products(s);
    layers(s);
  });
}
