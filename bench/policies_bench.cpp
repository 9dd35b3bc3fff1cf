// SPDX-License-Identifier: Apache-2.0
// What policies cost: the demo's training step by tf::paper, and the same step written out by hand with the same
// operations and weights, in turns. `of_hand` is the ratio of the medians.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "sgemm.hpp"
#include "transfusion/model.hpp"
#include "transfusion/train/adamw.hpp"

using namespace transfusion;

namespace {

using exec_type = cpu_exec<float>;
using model_type = model<paper, exec_type>;
using handle = var<exec_type>;

/// The paper's forward pass and losses, with nothing in it that a variant decides.
class by_hand {
 public:
  explicit by_hand(model_type& m) : exec_(m.exec()), config_(m.config()) {
    m.parameters().each([&](auto p) { weights_[p.name()] = p; });
  }

  void step(tape<exec_type>& tape, const packed_batch& batch, const noise_plan& plan) {
    auto keys = tape.list<key_interval>(batch.rows());
    auto positions = tape.list<token_t>(batch.rows());
    for (index_t q = 0; q < batch.rows(); ++q) {
      keys.push_back(key_interval::of(batch.table.document_begin(q), batch.table.span_end(q)));
      positions.push_back(static_cast<token_t>(q - batch.table.document_begin(q)));
    }
    const index_t head_width = config_.width / config_.heads;
    const auto rotation = tape.saved_real(batch.rows(), head_width);
    exec_.rope_table(rotation, {tape.upload(positions).data, batch.rows(), 1}, config_.rope_theta);
    const key_intervals seen(tape.upload(keys).data, batch.rows(), 1);
    const attention_shape shape{config_.heads, config_.kv_heads, head_width, 1 / std::sqrt(double(head_width))};

    const modality_batch& images = batch.modalities[0];
    const auto places = tape.upload(batch.images);
    const auto [x_t, target] = noised(tape, batch, plan, places);
    auto times = tape.list<float>(batch.image_count());
    for (const noise_level& level : plan.levels) times.push_back(static_cast<float>(level.time * 1000));
    const auto rows = tape.upload(images.patch_rows);

    const index_t patch = config_.codec.patch;
    auto e = linear(tape, timestep_embedding(tape, tape.upload(times), 256), w("codec.time.in.weight"),
                    w("codec.time.in.bias"));
    e = linear(tape, silu(tape, e), w("codec.time.out.weight"), w("codec.time.out.bias"));
    const auto patches = linear(tape, patchify(tape, x_t, places, images.patches(), {patch, patch}, 1),
                                w("codec.in.weight"), w("codec.in.bias"));
    handle x = embedding(tape, tape.upload(batch.tokens), w("embedding"));
    x = scatter_rows(tape, x, add(tape, patches, gather_rows(tape, e, tape.upload(images.patch_image))), rows);

    handle branch;
    const auto normed = [&](const std::string& name) {
      if (!branch) return rms_norm(tape, x, w(name), config_.norm_epsilon);
      const auto both = add_rms_norm(tape, x, branch, w(name), config_.norm_epsilon);
      x = both.sum;
      return both.normed;
    };
    for (index_t l = 0; l < config_.layers; ++l) {
      const std::string at = "blocks." + std::to_string(l);
      const auto u = normed(at + ".attention_norm");
      auto q = linear(tape, u, w(at + ".attention.wq")), k = linear(tape, u, w(at + ".attention.wk"));
      const auto v = linear(tape, u, w(at + ".attention.wv"));
      rope(tape, q, rotation);
      rope(tape, k, rotation);
      branch = linear(tape, attention(tape, q, k, v, seen, shape), w(at + ".attention.wo"));
      const auto f = normed(at + ".feed_forward_norm");
      branch = linear(
          tape, swiglu(tape, linear(tape, f, w(at + ".feed_forward.w1")), linear(tape, f, w(at + ".feed_forward.w3"))),
          w(at + ".feed_forward.w2"));
    }
    const auto hidden = normed("final_norm");

    auto targets = tape.list<token_t>(batch.text_targets());
    for (token_t row : batch.text_rows) targets.push_back(batch.targets[static_cast<std::size_t>(row)]);
    head_cross_entropy(tape, gather_rows(tape, hidden, tape.upload(batch.text_rows)), w("head"), tape.upload(targets),
                       same(tape, batch.text_targets(), 1.0 / static_cast<double>(batch.text_targets())));
    const auto out = linear(tape, gather_rows(tape, hidden, rows), w("codec.out.weight"), w("codec.out.bias"));
    squared_error(tape, unpatchify(tape, out, places, {patch, patch}, x_t.size()), target, places,
                  same(tape, batch.image_count(), 5.0 / static_cast<double>(batch.image_count())));
  }

 private:
  parameter<exec_type> w(const std::string& name) const { return weights_.at(name); }

  view<const float, 1> same(tape<exec_type>& tape, index_t count, double value) {
    auto list = tape.list<float>(count);
    for (index_t i = 0; i < count; ++i) list.push_back(static_cast<float>(value));
    return tape.upload(list);
  }

  struct images_at_levels {
    view<const float, 1> x_t, target;
  };
  images_at_levels noised(tape<exec_type>& tape, const packed_batch& batch, const noise_plan& plan,
                          view<const image_place, 1> places) {
    const auto count = static_cast<index_t>(batch.values.size());
    auto mixing = tape.list<float>(2 * batch.image_count()), aiming = tape.list<float>(2 * batch.image_count());
    for (const noise_level& level : plan.levels) {
      for (double c : {level.signal, level.noise}) mixing.push_back(static_cast<float>(c));
      for (float c : {0.0f, 1.0f}) aiming.push_back(c);
    }
    const auto clean = tape.upload(batch.values);
    const auto noise = tape.saved_real(count), x_t = tape.saved_real(count), target = tape.saved_real(count);
    exec_.normal(noise, plan.key, 1.0, plan.first_value);
    exec_.mix(x_t, clean, noise, {tape.upload(mixing).data, batch.image_count(), 2}, places);
    exec_.mix(target, clean, noise, {tape.upload(aiming).data, batch.image_count(), 2}, places);
    return {x_t, target};
  }

  exec_type& exec_;
  const model_config<paper>& config_;
  std::map<std::string, parameter<exec_type>> weights_;
};

std::vector<document> pairs() {
  std::vector<document> documents;
  for (std::uint32_t i = 0; i < 64; ++i)
    documents.push_back({text{{4, 5, 6, 7, 8}}, image{{1, 28, 28}, bench::numbers(28 * 28, i)}});
  return documents;
}

double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

void demo_step_by_policies(benchmark::State& state) {
  exec_type exec(bench::threads());
  model_config<paper> config{.layers = 4, .width = 128, .heads = 4, .vocabulary = 20};
  config.codec = {.channels = 1, .patch = 4};
  model_type m(exec, config, 1);
  adamw<exec_type> optimiser(exec, m.parameters(), {});
  by_hand other(m);
  tape<exec_type> tape(exec), other_tape(exec);
  const packed_batch batch = m.pack(pairs());
  index_t number = 0;
  const auto timed = [&](auto& on, auto pass) {
    const auto start = std::chrono::steady_clock::now();
    on.reset();
    const auto plan = m.plan_noise(batch, {1, static_cast<std::uint32_t>(number), stream::noise});
    pass(on, plan);
    on.backward();
    optimiser.gradient_norm();
    optimiser.step(number++, 0);  // the weights stay: both see the same ones
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const auto policies = [&](auto& on, const noise_plan& plan) { m.loss(on, batch, plan); };
  const auto hand = [&](auto& on, const noise_plan& plan) { other.step(on, batch, plan); };

  // The two are one computation: the same norm of the gradient to the last bits.
  double norms[2];
  const auto plan = m.plan_noise(batch, {1, 0, stream::noise});
  policies(tape, plan);
  tape.backward();
  norms[0] = optimiser.gradient_norm();
  m.parameters().zero_gradients();
  hand(other_tape, plan);
  other_tape.backward();
  norms[1] = optimiser.gradient_norm();
  m.parameters().zero_gradients();
  if (std::abs(norms[0] - norms[1]) > 1e-6 * norms[0]) state.SkipWithError("the two steps differ");

  for (int warm = 0; warm < 3; ++warm) {
    timed(tape, policies);
    timed(other_tape, hand);
  }
  std::vector<double> times, hand_times;
  for (auto _ : state) {
    times.push_back(timed(tape, policies));
    hand_times.push_back(timed(other_tape, hand));
    state.SetIterationTime(times.back());
  }
  state.counters["of_hand"] = median(times) / median(hand_times);
}
BENCHMARK(demo_step_by_policies)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(60);

}  // namespace

BENCHMARK_MAIN();
