// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ablation/support/experiment.hpp"
#include "ablation/support/swept.hpp"
#include "ablation/support/variants.hpp"
#include "support/training.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/metric/likelihood.hpp"
#include "transfusion/metric/ranked.hpp"
#include "transfusion/model.hpp"
#include "transfusion/train.hpp"

// Training and measuring any variant: included by the experiments, each of which compiles its own variants.
namespace ablation {

/// A variant with another solver: the same weights.
template <class Variant, class Solver>
struct with_solver : Variant {
  using solver = Solver;
};

inline constexpr index_t loss_parts = 40;  ///< of a run, of each of which the mean loss is kept

namespace detail {

inline index_t patches_of(tf::image_shape shape, index_t patch) { return shape.height / patch * (shape.width / patch); }

inline index_t pairs_of(const job& j) {
  const trial_sizes& z = j.what.sizes;
  if (!z.equal_patches) return j.set.pairs;
  const index_t usual = patches_of(j.data.shape(), trial_sizes{}.patch), here = patches_of(j.data.shape(), z.patch);
  return std::max<index_t>(1, j.set.pairs * usual / here);
}

template <class Variant>
inline constexpr bool convolves = requires(typename Variant::codec::options o) {
  o.level_channels;
};

template <class Variant>
tf::model_config<Variant> config_of(const job& j) {
  const trial_sizes& z = j.what.sizes;
  const auto scaled = [&](index_t n) { return std::max<index_t>(1, std::llround(z.width * static_cast<double>(n))); };
  tf::model_config<Variant> c{.layers = j.set.layers,
                              .width = scaled(j.set.width),
                              .heads = scaled(j.set.heads),
                              .vocabulary = j.data.words().size()};
  c.codec.channels = j.data.shape().channels;
  c.codec.patch = z.patch;
  if constexpr (convolves<Variant>) {
    c.codec.level_channels.fill(2 * j.set.unet_channels);
    c.codec.level_channels[0] = j.set.unet_channels;
    c.codec.groups = j.set.unet_channels / 4;  // with one channel each, norms would wipe out what a whole map says
    c.codec.blocks = j.set.unet_blocks;
  }
  c.loss_weights[1] = z.lambda;
  return c;
}

template <class Model>
void train(tf::trainer<Model>& trainer, const job& j, result& r) {
  const index_t pairs = pairs_of(j), steps = j.set.steps;
  const auto parts = std::min<index_t>(loss_parts, steps);
  std::vector<double> counts(static_cast<std::size_t>(parts));
  r.losses.assign(static_cast<std::size_t>(parts), 0.0);
  double flops = 0;
  index_t pictures = 0;
  const support::stopwatch watch;
  trainer.run([&](index_t step) { return j.data.documents(step, pairs, j.seed); },
              [&](const auto& report) {
                flops += report.flops;
                pictures += report.images;
                const auto part = static_cast<std::size_t>(report.step * parts / steps);
                r.losses[part] += report.losses[1];
                counts[part] += 1;
                if (j.progress != nullptr) j.progress(j.to, report.step + 1, report.losses[1]);
              });
  for (std::size_t i = 0; i < counts.size(); ++i) r.losses[i] /= counts[i];
  r.measures["seconds"] = watch.seconds();
  r.measures["gflop"] = flops / 1e9;
  r.measures["pictures"] = static_cast<double>(pictures);
}

/// The denoising loss of held-out pictures after their captions: the same noise for every model.
template <class Model>
double held_out_denoising(Model& m, const job& j) {
  constexpr index_t chunk = 32;
  const index_t count = std::min<index_t>(j.set.read, std::ssize(j.data.held_out()));
  tf::tape<typename Model::exec_type> tape(m.exec(), tf::recording::off);
  double sum = 0;
  for (index_t begin = 0; begin < count; begin += chunk) {
    const index_t end = std::min(begin + chunk, count);
    std::vector<tf::document> documents;
    for (index_t i = begin; i < end; ++i) {
      const captioned& c = j.data.held_out()[static_cast<std::size_t>(i)];
      documents.push_back({j.data.tokens(c.caption), j.data.picture(c)});
    }
    tape.reset();
    const auto batch = m.pack(documents);
    const tf::random_key key{7, static_cast<std::uint32_t>(begin), tf::stream::noise};
    sum += static_cast<double>(end - begin) * m.loss(tape, batch, m.plan_noise(batch, key)).mean(m.exec(), 1);
  }
  return sum / static_cast<double>(count);
}

/// Perplexity of the held-out pictures' captions, and how often the right caption is the likeliest of its candidates.
template <class Model>
void read_captions(Model& m, const job& j, result& r) {
  const index_t count = std::min<index_t>(j.set.read, std::ssize(j.data.held_out()));
  std::vector<tf::document> documents;
  std::vector<std::size_t> first;
  for (index_t i = 0; i < count; ++i) {
    first.push_back(documents.size());
    for (const index_t c : j.data.candidates(i))
      documents.push_back({j.data.picture(j.data.held_out()[static_cast<std::size_t>(i)]), j.data.tokens(c)});
  }
  first.push_back(documents.size());
  const auto likelihoods = tf::text_log_likelihood(m, documents);
  std::vector<tf::ranked_item> items;
  double sum = 0;
  index_t targets = 0;
  for (std::size_t i = 0; i + 1 < first.size(); ++i) {
    tf::ranked_item item;  // the first candidate is the right one
    for (std::size_t n = first[i]; n < first[i + 1]; ++n) item.options.push_back({likelihoods[n]});
    items.push_back(std::move(item));
    sum += likelihoods[first[i]];
    targets += tf::text_target_count(m, documents[first[i]]);
  }
  r.measures["perplexity"] = tf::perplexity(sum, targets);
  r.measures["ranked"] = tf::ranked_accuracy(items).accuracy;
}

/// A picture for each of these captions.
template <class Model>
std::vector<tf::image> draw(const Model& m, const job& j, const std::vector<index_t>& captions, int steps) {
  constexpr std::size_t chunk = 250;  // bounds the memory of the cache
  tf::generator<Model> generate(
      m, {.max_tokens = 0, .image = j.data.shape(), .image_steps = steps, .guidance = j.set.guidance});
  std::vector<tf::image> drawn;
  for (std::size_t begin = 0; begin < captions.size(); begin += chunk) {
    std::vector<tf::generation_request> requests;
    for (std::size_t i = begin; i < std::min(begin + chunk, captions.size()); ++i)
      requests.push_back({{j.data.tokens(captions[i])}, true, j.seed * 1000003 + i});
    for (auto& done : generate(requests)) drawn.push_back(std::get<tf::image>(std::move(done.content.segments.back())));
  }
  return drawn;
}

/// Draws with one solver at each count of evaluations.
template <class Solver, class Model>
void sweep(Model& trained, const job& j, result& r) {
  using variant = with_solver<typename Model::variant_type, Solver>;
  tf::model<variant, typename Model::exec_type> m(trained.exec(), config_of<variant>(j), j.seed);
  m.exec().copy(m.parameters().values(), trained.parameters().values());
  m.parameters().refresh();
  const auto captions = j.data.to_draw(j.set.drawn);
  for (const index_t evaluations : swept_evaluations(j.set)) {
    const index_t steps = evaluations / swept<Solver>::each_step;
    if (steps < 2) continue;
    const auto drawn = draw(m, j, captions, static_cast<int>(steps));
    const picture_quality q = j.pictures.measure(drawn, captions);
    const std::string name = swept<Solver>::name, suffix = "-" + name + "-" + std::to_string(evaluations);
    r.sweep.push_back({name, evaluations, q.frechet, q.judged.value_or(0), keep_strip(j, drawn, suffix)});
  }
}

template <class Exec, class Variant, class... Solvers>
result run(Exec& e, const job& j) {
  using model = tf::model<Variant, Exec>;
  result r{j.what.name, j.seed, {}, {}, {}, {}, settings_of(j.set, j.what)};
  model m(e, config_of<Variant>(j), j.seed);
  r.measures["parameters"] = static_cast<double>(m.parameters().count());
  tf::train_options options = support::short_run(j.set.steps, j.set.rate, j.seed);
  options.quiet = true;
  tf::trainer<model> trainer(m, options);
  train(trainer, j, r);

  const tf::averaged_weights<Exec> averaged(e, m.parameters(), trainer.optimiser());
  r.measures["denoising"] = held_out_denoising(m, j);
  read_captions(m, j, r);
  if constexpr (sizeof...(Solvers) > 0) {
    (sweep<Solvers>(m, j, r), ...);
    return r;
  }
  const auto captions = j.data.to_draw(j.set.drawn);
  const auto drawn = draw(m, j, captions, j.set.image_steps);
  const picture_quality q = j.pictures.measure(drawn, captions);
  r.measures["frechet"] = q.frechet;
  if (q.judged) r.measures["judged"] = *q.judged;
  r.pictures = keep_strip(j, drawn, "");
  return r;
}

}  // namespace detail

/// Trains the variant and measures it, with each of these solvers or with its own.
template <class Variant, class... Solvers>
trial_run run_of() {
  trial_run run{&detail::run<support::cpu_policy, Variant, Solvers...>};
#if TRANSFUSION_HAS_CUDA
  run.on_cuda = &detail::run<support::cuda_policy, Variant, Solvers...>;
#endif
  return run;
}

}  // namespace ablation
