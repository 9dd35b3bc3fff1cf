// SPDX-License-Identifier: Apache-2.0
// Whole steps: training the demo's model and the paper's smallest one, decoding, and drawing one guided image.
#include <memory>

#include "sgemm.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/metric/flops.hpp"
#include "transfusion/model.hpp"
#include "transfusion/train/adamw.hpp"

using namespace transfusion;

namespace {

using exec_type = cpu_exec<float>;
using model_type = model<paper, exec_type>;

/// The sizes of `./run demo`.
model_config<paper> demo_config() {
  model_config<paper> c{.layers = 4, .width = 128, .heads = 4, .vocabulary = 20};
  c.codec = {.channels = 1, .patch = 4};
  return c;
}

text words(index_t count, index_t vocabulary, std::uint32_t number) {
  text t;
  const random_key key{7, number, stream::test};
  for (index_t i = 0; i < count; ++i)
    t.tokens.push_back(static_cast<token_t>(4 + key.below(static_cast<std::uint64_t>(i), vocabulary - 4)));
  return t;
}

image picture(image_shape shape, std::uint32_t number) { return {shape, bench::numbers(shape.size(), number)}; }

/// `count` documents of a caption and an image.
std::vector<document> pairs(index_t count, index_t caption, index_t vocabulary, image_shape shape) {
  std::vector<document> documents;
  for (index_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::uint32_t>(i);
    documents.push_back({words(caption, vocabulary, number), picture(shape, number)});
  }
  return documents;
}

/// Forward, backward, norm and AdamW on one batch.
void train_step(benchmark::State& state, model_config<paper> config, const std::vector<document>& documents) {
  exec_type exec(bench::threads());
  bench::sgemm(exec.threads());
  model_type m(exec, config, 1);
  adamw<exec_type> optimiser(exec, m.parameters(), {});
  tape<exec_type> tape(exec);
  const packed_batch batch = m.pack(documents);
  index_t step = 0;
  const auto once = [&] {
    tape.reset();
    m.loss(tape, batch, m.plan_noise(batch, {1, static_cast<std::uint32_t>(step), stream::noise}));
    tape.backward();
    optimiser.gradient_norm();
    optimiser.step(step++, 1e-4);
  };
  for (int warm = 0; warm < 2; ++warm) once();  // the second one joins the step's memory into one block
  for (auto _ : state) once();
  bench::report(state, training_flops(m, batch), exec.threads());
  state.counters["tokens/s"] =
      benchmark::Counter(static_cast<double>(batch.rows() * state.iterations()), benchmark::Counter::kIsRate);
  // Counted on paper: 16 bytes a parameter, and what backward needs of a row: in a block 8 widths and 3 feed-forward
  // widths.
  const auto& c = m.config();
  const double saved = 4.0 * static_cast<double>(batch.rows() * c.layers * (8 * c.width + 3 * c.feed_forward));
  const double counted = 16.0 * static_cast<double>(m.parameters().count()) + saved;
  const double held =
      16.0 * static_cast<double>(m.parameters().values().size()) + static_cast<double>(tape.memory_held());
  state.counters["GB"] = held * 1e-9;
  state.counters["of_counted"] = held / counted;
}

void demo_step(benchmark::State& state) {
  train_step(state, demo_config(), pairs(64, 5, demo_config().vocabulary, {1, 28, 28}));
}
BENCHMARK(demo_step)->UseRealTime()->Unit(benchmark::kMillisecond);

void paper_step_0_16B(benchmark::State& state) {
  train_step(state, paper_config("0.16B"), pairs(2, 252, 32000, {8, 32, 32}));
}
BENCHMARK(paper_step_0_16B)->UseRealTime()->Unit(benchmark::kMillisecond)->Iterations(3);

/// Text for one prompt, token by token; the read of all weights a token is the limit.
void decode(benchmark::State& state, model_config<paper> config) {
  exec_type exec(bench::threads());
  bench::sgemm(exec.threads());
  config.markers.eos = ignored;  // a model that has learnt nothing must not stop
  model_type m(exec, config, 1);
  constexpr index_t tokens = 128;
  generator<model_type> generate(m, {.max_tokens = tokens, .max_images = 0});
  const std::vector<generation_request> prompt{{{words(64, config.vocabulary, 1)}, false, 1}};
  index_t made = 0;
  for (auto _ : state) {
    const auto results = generate(prompt);
    const auto& all = std::get<text>(results[0].content.segments.back()).tokens;
    made += static_cast<index_t>(all.size());
  }
  state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(made), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(decode, demo, demo_config())->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode, paper_0_16B, paper_config("0.16B"))
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

/// One image of the demo's size, 250 guided steps; the prefix is computed once.
void guided_image(benchmark::State& state) {
  exec_type exec(bench::threads());
  bench::sgemm(exec.threads());
  model_type m(exec, demo_config(), 1);
  const index_t count = state.range(0);
  const image_shape shape{1, 28, 28};
  generator<model_type> generate(m, {.max_tokens = 0, .image = shape, .image_steps = 250, .guidance = 3});
  std::vector<generation_request> requests;
  for (index_t i = 0; i < count; ++i) requests.push_back({{words(5, 20, 1)}, true, static_cast<std::uint64_t>(i)});
  for (auto _ : state) benchmark::DoNotOptimize(generate(requests));
  const double rows = static_cast<double>(2 * 250 * count * m.grid(shape).patches());
  const double weights = static_cast<double>(m.parameters().count("blocks."));
  bench::report(state, 2 * weights * rows, exec.threads());
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(count * state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(guided_image)->ArgName("images")->Arg(1)->Arg(16)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
