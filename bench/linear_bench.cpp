// SPDX-License-Identifier: Apache-2.0
#include "sgemm.hpp"
#include "transfusion/exec/cpu.hpp"

using namespace transfusion;

namespace {

/// y = x wᵀ for N rows, [width, width] weights.
void forward(benchmark::State& state) {
  const index_t rows = state.range(0), width = state.range(1);
  cpu_exec<float> exec(bench::threads());
  bench::sgemm(exec.threads());
  const auto x = bench::numbers(rows * width, 1), w = bench::numbers(width * width, 2);
  std::vector<float> y(x.size());
  for (auto _ : state) exec.linear({y.data(), rows, width}, {x.data(), rows, width}, {w.data(), width, width}, {});
  bench::report(state, 2.0 * static_cast<double>(rows * width * width), exec.threads());
}

/// dx and dw of the same.
void backward(benchmark::State& state) {
  const index_t rows = state.range(0), width = state.range(1);
  cpu_exec<float> exec(bench::threads());
  bench::sgemm(exec.threads());
  const auto x = bench::numbers(rows * width, 1), w = bench::numbers(width * width, 2),
             dy = bench::numbers(rows * width, 3);
  std::vector<float> dx(x.size()), dw(w.size());
  for (auto _ : state)
    exec.linear_backward({{dx.data(), rows, width}, false}, {dw.data(), width, width}, {}, {dy.data(), rows, width},
                         {x.data(), rows, width}, {w.data(), width, width});
  bench::report(state, 4.0 * static_cast<double>(rows * width * width), exec.threads());
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"N", "width"})->ArgsProduct({{1024, 4096}, {128, 512, 768, 1536, 2048}})->UseRealTime();
  b->Unit(benchmark::kMillisecond);
}
void few_rows(benchmark::internal::Benchmark* b) {
  b->ArgNames({"N", "width"})->ArgsProduct({{1, 4, 16, 64}, {768}})->UseRealTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK(forward)->Apply(shapes);
BENCHMARK(backward)->Apply(shapes);
BENCHMARK(forward)->Name("decode")->Apply(few_rows);

}  // namespace

BENCHMARK_MAIN();
