// SPDX-License-Identifier: Apache-2.0
#include "sgemm.hpp"
#include "transfusion/exec/cpu.hpp"

using namespace transfusion;

namespace {

/// The linear head with its cross-entropy, forward and backward in one call: three products.
void head_and_cross_entropy(benchmark::State& state) {
  const index_t rows = state.range(0), width = state.range(1), vocabulary = state.range(2);
  cpu_exec<float> exec(bench::threads());
  bench::sgemm(exec.threads());
  const auto x = bench::numbers(rows * width, 1), w = bench::numbers(vocabulary * width, 2);
  std::vector<token_t> targets;
  for (index_t n = 0; n < rows; ++n) targets.push_back(static_cast<token_t>(n * 7919 % vocabulary));
  const std::vector<float> weights(static_cast<std::size_t>(rows), 1.0f / static_cast<float>(rows));
  std::vector<float> loss(weights.size()), log_z(weights.size()), dx(x.size()), dw(w.size());
  for (auto _ : state)
    exec.cross_entropy({loss.data(), rows}, {log_z.data(), rows}, {dx.data(), rows, width},
                       {dw.data(), vocabulary, width}, {x.data(), rows, width}, {w.data(), vocabulary, width},
                       {targets.data(), rows}, {weights.data(), rows}, 0.0, 0.0);
  bench::report(state, 6.0 * static_cast<double>(rows * width * vocabulary), exec.threads());
}

BENCHMARK(head_and_cross_entropy)
    ->ArgNames({"N", "D", "V"})
    ->Args({512, 768, 32000})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
