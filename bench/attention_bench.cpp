// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "sgemm.hpp"
#include "transfusion/exec/cpu.hpp"

using namespace transfusion;

namespace {

enum mask_kind : int { causal, paper, bidirectional, packed };
constexpr const char* mask_names[] = {"causal", "paper", "bidirectional", "packed"};

/// Causal; the paper's (images of 256 rows after 64 rows of text, each bidirectional); everything; documents of 26
/// rows.
std::vector<key_interval> intervals(int kind, index_t rows) {
  std::vector<key_interval> table;
  for (index_t n = 0; n < rows; ++n) {
    const index_t cycle = 320, image = n / cycle * cycle + 64, document = n / 26 * 26;
    if (kind == causal) table.push_back(key_interval::of(0, n + 1));
    if (kind == paper) table.push_back(key_interval::of(0, n < image ? n + 1 : std::min(rows, image + 256)));
    if (kind == bidirectional) table.push_back(key_interval::of(0, rows));
    if (kind == packed) table.push_back(key_interval::of(document, n + 1));
  }
  return table;
}

struct operands {
  index_t rows, width, heads;
  std::vector<key_interval> keys;
  std::vector<float> q, k, v, d_o, o, lse, dq, dk, dv;
  double pairs = 0;

  operands(int kind, index_t n, index_t c, index_t total)
      : rows(n),
        width(total),
        heads(total / c),
        keys(intervals(kind, n)),
        q(bench::numbers(n * total, 1)),
        k(bench::numbers(n * total, 2)),
        v(bench::numbers(n * total, 3)),
        d_o(bench::numbers(n * total, 4)),
        o(q.size()),
        lse(static_cast<std::size_t>(n * heads)),
        dq(q.size()),
        dk(q.size()),
        dv(q.size()) {
    for (const key_interval& i : keys) pairs += i.end - i.begin;
  }
  view<float, 2> of(std::vector<float>& x) { return {x.data(), rows, static_cast<index_t>(x.size()) / rows}; }
  attention_shape shape() const {
    return {heads, heads, width / heads, 1 / std::sqrt(static_cast<double>(width / heads))};
  }
  key_intervals mask() const { return {keys.data(), rows, 1}; }
};

/// Operations counted on visible pairs only: 2 products of C forward, 5 backward.
void run(benchmark::State& state, bool back) {
  cpu_exec<float> exec(bench::threads());
  bench::sgemm(exec.threads());
  operands x(static_cast<int>(state.range(0)), state.range(1), state.range(2), state.range(3));
  state.SetLabel(mask_names[state.range(0)]);
  const auto forward = [&] {
    exec.attention(x.of(x.o), x.of(x.lse), x.of(x.q), x.of(x.k), x.of(x.v), x.mask(), x.shape());
  };
  const auto backward = [&] {
    exec.attention_backward({x.of(x.dq)}, {x.of(x.dk)}, {x.of(x.dv)}, x.of(x.d_o), x.of(x.o), x.of(x.lse), x.of(x.q),
                            x.of(x.k), x.of(x.v), x.mask(), x.shape());
  };
  forward();
  for (auto _ : state) back ? backward() : forward();
  bench::report(state, (back ? 10.0 : 4.0) * x.pairs * static_cast<double>(x.width), exec.threads());
}
void forward(benchmark::State& state) { run(state, false); }
void backward(benchmark::State& state) { run(state, true); }

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"mask", "N", "C", "HC"})->UseRealTime()->Unit(benchmark::kMillisecond);
  b->ArgsProduct({{causal, paper, bidirectional}, {512, 1024, 2048, 4096}, {64, 128}, {768}});
  b->Args({packed, 4096, 32, 128});
}

BENCHMARK(forward)->Apply(shapes);
BENCHMARK(backward)->Apply(shapes);

/// A few query rows against a long cache.
void decode(benchmark::State& state) {
  const index_t rows = state.range(0), keys = 4096, width = 768, heads = 12;
  cpu_exec<float> exec(bench::threads());
  auto q = bench::numbers(rows * width, 1), k = bench::numbers(keys * width, 2), v = bench::numbers(keys * width, 3);
  std::vector<float> o(q.size()), lse(static_cast<std::size_t>(rows * heads));
  std::vector<key_interval> mask;
  for (index_t n = 0; n < rows; ++n) mask.push_back(key_interval::of(0, keys - rows + n + 1));
  for (auto _ : state)
    exec.attention({o.data(), rows, width}, {lse.data(), rows, heads}, {q.data(), rows, width}, {k.data(), keys, width},
                   {v.data(), keys, width}, {mask.data(), rows, 1}, {heads, heads, width / heads, 0.125});
  state.SetBytesProcessed(state.iterations() * 2 * keys * width * 4);
}
BENCHMARK(decode)->ArgName("rows")->Arg(1)->Arg(4)->Arg(16)->Arg(64)->Arg(256)->UseRealTime()->Unit(
    benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
