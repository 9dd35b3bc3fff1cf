// SPDX-License-Identifier: Apache-2.0
#include "sgemm.hpp"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/layer/convolution_taps.hpp"

using namespace transfusion;

namespace {

/// A 3 × 3 convolution over one square image that keeps its channels. All on the host: the CPU policy's own memory.
struct problem {
  index_t pixels, channels;
  cpu_exec<float> exec{bench::threads()};
  convolution_taps tables;
  std::vector<float> x, w, b, y, dx, dw, db;

  problem(index_t side, index_t channels_) : pixels(side * side), channels(channels_) {
    bench::sgemm(exec.threads());
    const std::vector<patch_grid> grids{{side, side}};
    tables.build(grids, {3, 3});
    x = bench::numbers(pixels * channels, 1);
    w = bench::numbers(channels * 9 * channels, 2);
    y = bench::numbers(pixels * channels, 3);
    b = db = std::vector<float>(static_cast<std::size_t>(channels));
    dx = x;
    dw = w;
  }

  view<float, 2> rows(std::vector<float>& v) const { return {v.data(), pixels, channels}; }
  view<float, 2> weights(std::vector<float>& v) const { return {v.data(), channels, 9 * channels}; }
  view<const token_t, 2> taps() const { return {tables.taps.data(), pixels, 9}; }
  view<const token_t, 2> reverse() const { return {tables.reverse.data(), pixels, 9}; }
  double flops() const { return 2.0 * 9 * static_cast<double>(pixels * channels * channels); }
};

void forward(benchmark::State& state) {
  problem p(state.range(0), state.range(1));
  for (auto _ : state) p.exec.convolution(p.rows(p.y), p.rows(p.x), p.weights(p.w), {p.b.data(), p.channels}, p.taps());
  bench::report(state, p.flops(), p.exec.threads());
}

/// dx, dw and db of the same.
void backward(benchmark::State& state) {
  problem p(state.range(0), state.range(1));
  for (auto _ : state)
    p.exec.convolution_backward({p.rows(p.dx), false}, p.weights(p.dw), {p.db.data(), p.channels}, p.rows(p.y),
                                p.rows(p.x), p.weights(p.w), p.taps(), p.reverse());
  bench::report(state, 2 * p.flops(), p.exec.threads());
}

// The paper's U-Net has 320 channels at 32 × 32 latents and 1280 at 16 × 16.
void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"side", "channels"})->Args({32, 128})->Args({16, 256})->Args({32, 320})->Args({16, 1280});
  b->UseRealTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK(forward)->Apply(shapes);
BENCHMARK(backward)->Apply(shapes);

}  // namespace

BENCHMARK_MAIN();
