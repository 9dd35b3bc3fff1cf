// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "parity/support/trial.hpp"
#include "scenes/support/model.hpp"
#include "support/strip.hpp"
#include "support/training.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/metric/bootstrap.hpp"
#include "transfusion/metric/likelihood.hpp"
#include "transfusion/metric/ranked.hpp"
#include "transfusion/model.hpp"
#include "transfusion/train.hpp"

// Training and measuring either family: included by the two files that each compile one.
namespace parity::detail {

/// The measure and the ends of its 95 % interval over items.
inline void put(result& r, const std::string& name, const tf::bootstrap_result& b) {
  r.measures[name] = b.value;
  r.measures[name + "_low"] = b.low;
  r.measures[name + "_high"] = b.high;
}

template <class Model>
void train(tf::trainer<Model>& trainer, const lab& l, const planned& p, const step_watch& watch, result& r) {
  double flops = 0;
  index_t tokens = 0, pictures = 0;
  const support::stopwatch clock;
  trainer.run([&](index_t step) { return l.data.documents(p.who, step); },
              [&](const auto& report) {
                flops += report.flops;
                tokens += report.tokens;
                pictures += report.images;
                watch(report.step + 1, report.total);
              });
  r.measures["seconds"] = clock.seconds();
  r.measures["flops"] = flops;
  r.measures["tokens"] = static_cast<double>(tokens);
  r.measures["scenes"] = static_cast<double>(pictures);
}

/// Captions of held-out scenes alone, up to the mark behind them: perplexity, and how many nats a caption lies above
/// the least that any model can have, which knows how scenes are drawn.
template <class Model>
void read_text(Model& m, const lab& l, const tf::train_options& how, result& r) {
  const auto shares = caption_shares();
  const double with_caption = tf::caption_first_share * (1 - how.caption_dropout);  // else an image comes first
  std::vector<tf::document> documents;
  std::vector<double> least, targets;
  for (index_t i = 0; i < l.set.read; ++i) {
    const encoded_scene& e = l.data.held_out()[static_cast<std::size_t>(i)];
    tf::text words = e.caption;
    words.tokens.push_back(m.config().markers.boi);
    targets.push_back(static_cast<double>(words.tokens.size()));
    documents.push_back({words});
    documents.back().open_ended = true;
    least.push_back(std::log(with_caption * shares.at(caption(e.shown.words))));
  }
  const auto found = tf::text_log_likelihood(m, documents);
  put(r, "perplexity", tf::bootstrap(l.set.read, [&](const std::vector<index_t>& chosen) {
        double sum = 0, count = 0;
        for (const index_t i : chosen) {
          sum -= found[static_cast<std::size_t>(i)];
          count += targets[static_cast<std::size_t>(i)];
        }
        return std::exp(sum / count);
      }));
  std::vector<double> gaps;
  for (std::size_t i = 0; i < found.size(); ++i) gaps.push_back(least[i] - found[i]);
  put(r, "text_gap", tf::bootstrap_mean(gaps));
}

/// How often the right caption of a held-out scene is the likeliest of ten.
template <class Model>
void rank_captions(Model& m, const lab& l, const planned& p, result& r) {
  std::vector<tf::document> documents;
  std::vector<std::size_t> options;
  for (index_t i = 0; i < l.set.read; ++i) {
    const auto texts = l.data.candidates(i);
    options.push_back(texts.size());
    for (const tf::text& t : texts)
      documents.push_back({l.data.held_out()[static_cast<std::size_t>(i)].item(p.who), t});
  }
  const auto likelihoods = tf::text_log_likelihood(m, documents);
  std::vector<tf::ranked_item> items;
  auto next = likelihoods.begin();
  for (const std::size_t count : options) {
    items.emplace_back();  // the first option is the right one
    for (std::size_t n = 0; n < count; ++n) items.back().options.push_back({*next++});
  }
  put(r, "ranked", tf::bootstrap_mean(tf::ranked_accuracy(items).right));
}

/// Latents or codes drawn from prompts, as pictures.
template <class Model>
std::vector<tf::image> draw(const Model& m, const lab& l, const planned& p, const std::vector<scenes::prompt>& prompts,
                            std::uint64_t seed) {
  constexpr std::size_t chunk = 200;  // bounds the memory of the cache
  constexpr double range = 4;         // of latents of unit variance
  const bool codes = p.who == family::chameleon;
  tf::generation_options o{.max_tokens = 0, .image = codes ? l.set.code_shape() : l.set.latent_shape()};
  o.image_steps = l.set.image_steps;
  o.guidance = l.set.guidance;
  o.data_low = -range;
  o.data_high = range;
  tf::generator<Model> generate(m, o);
  std::vector<tf::image> drawn;
  for (std::size_t begin = 0; begin < prompts.size(); begin += chunk) {
    std::vector<tf::generation_request> requests;
    for (std::size_t i = begin; i < std::min(begin + chunk, prompts.size()); ++i)
      requests.push_back({{scenes::tokens(prompts[i])}, true, seed * 1000003 + i});
    for (auto& done : generate(requests)) drawn.push_back(std::get<tf::image>(std::move(done.content.segments.back())));
  }
  return (codes ? l.vq : l.vae).decode(drawn);
}

/// The distance of scenes drawn from held-out captions to real ones; how often single objects are as asked.
template <class Model>
void look_at_drawn(const Model& m, const lab& l, const planned& p, result& r) {
  std::vector<scenes::prompt> varied, single, coloured;
  for (index_t i = 0; i < l.set.drawn; ++i) {
    varied.push_back(l.data.held_out()[static_cast<std::size_t>(i)].shown.words);
    single.push_back(single_prompt(i));
  }
  r.measures["frechet"] = l.seen.frechet(draw(m, l, p, varied, 2 * l.set.seed));
  const auto drawn = draw(m, l, p, single, 2 * l.set.seed + 1);
  std::vector<double> right;
  std::vector<tf::image> with_colour, shown;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    right.push_back(is_right(single[i], drawn[i]) ? 1 : 0);
    if (!single[i].nouns.front().tint) continue;
    coloured.push_back(single[i]);
    with_colour.push_back(drawn[i]);
    if (shown.size() < shown_prompts().size()) shown.push_back(drawn[i]);
  }
  put(r, "right", tf::bootstrap_mean(right));
  put(r, "judged", tf::bootstrap_mean(l.seen.named(coloured, with_colour)));
  r.pictures = p.name() + ".png";
  support::save_strip(l.folder / r.pictures, shown);
}

template <class Variant>
tf::model_config<Variant> config_of(const planned& p) {
  return {
      .layers = p.size.layers, .width = p.size.width, .heads = p.size.heads, .vocabulary = scenes::vocabulary().size()};
}

template <class Variant, class Exec>
result run(Exec& e, const lab& l, const planned& p, const tf::model_config<Variant>& config, double rate,
           const step_watch& watch) {
  using model = tf::model<Variant, Exec>;
  result r{p, {}, {}, p.settings_of(l.set)};
  model m(e, config, l.set.seed);
  r.measures["parameters"] = static_cast<double>(m.parameters().count());
  tf::train_options options = support::short_run(l.set.steps(p.budget), rate, l.set.seed);
  options.quiet = true;
  tf::trainer<model> trainer(m, options);
  train(trainer, l, p, watch, r);
  const tf::averaged_weights<Exec> averaged(e, m.parameters(), trainer.optimiser());
  read_text(m, l, options, r);
  rank_captions(m, l, p, r);
  look_at_drawn(m, l, p, r);
  return r;
}

}  // namespace parity::detail
