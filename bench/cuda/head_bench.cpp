// SPDX-License-Identifier: Apache-2.0
// The linear head with its cross-entropy, forward and backward in one call: three products.
#include "measure.hpp"

using namespace transfusion;

namespace {

void all(const bench::settings& s) {
  for (const index_t width : {768, 1536}) {
    bench::exec_type exec;
    const index_t rows = s.extent(4096, 20), d = s.extent(width, 64), vocabulary = s.extent(32000, 100);
    const auto x = bench::normal<bf16>(exec, rows * d, 1), w = bench::normal<bf16>(exec, vocabulary * d, 2, 0.02);
    const buffer<bench::exec_type, bf16> dx(exec, rows * d);
    const buffer<bench::exec_type, float> loss(exec, rows), log_z(exec, rows), weights(exec, rows),
        dw(exec, vocabulary * d);
    exec.fill(dw.all(), 0);
    exec.fill(weights.all(), 1 / static_cast<double>(rows));
    std::vector<token_t> targets;
    for (index_t n = 0; n < rows; ++n) targets.push_back(static_cast<token_t>(n * 7919 % vocabulary));
    const buffer<bench::exec_type, token_t> device(exec, rows);
    exec.upload(device.all().data, targets.data(), targets.size() * sizeof(token_t));
    const auto t = bench::measure(exec, s, [&](index_t) {
      exec.cross_entropy(loss.all(), log_z.all(), bench::matrix(dx, d), bench::matrix(dw, d), bench::matrix(x, d),
                         bench::matrix(w, d), device.all(), weights.all(), 0.0, 0.0);
    });
    bench::result("head." + std::to_string(width), 6.0 * static_cast<double>(rows * d * vocabulary) / t.median * 1e-12,
                  "TFLOP/s", t);
  }
}

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv, all); }
