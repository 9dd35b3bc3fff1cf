// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "parity/support/checkpoint.hpp"
#include "parity/support/trial.hpp"
#include "scenes/support/model.hpp"
#include "support/strip.hpp"
#include "support/training.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/metric/bootstrap.hpp"
#include "transfusion/metric/cider.hpp"
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

/// A measure that is the mean of scores, and the low end of its gain over the scores of the same items without looking.
inline void put(result& r, const std::string& name, const std::vector<double>& scores,
                const std::vector<double>& without_looking) {
  std::vector<double> gains;
  for (std::size_t i = 0; i < scores.size(); ++i) gains.push_back(scores[i] - without_looking[i]);
  put(r, name, tf::bootstrap_mean(scores));
  r.measures[name + "_gain_low"] = tf::bootstrap_mean(gains).low;
}

/// Trains from where the training was broken off, or from the beginning.
template <class Model>
void train(tf::trainer<Model>& trainer, const lab& l, const planned& p, const step_watch& watch, result& r) {
  for (const char* name : {"seconds", "flops", "tokens", "scenes"}) r.measures[name] = 0;
  if (const auto counted = counted_before(l.set, l.store, p)) {
    trainer.resume(checkpoint_file(l.store, p).string());
    r.measures = *counted;
    trainer.set_metadata(checkpoint_metadata(r));  // that of the file, which is written again without another step
  }
  const double before = r.measures["seconds"];
  const support::stopwatch clock;
  trainer.run([&](index_t step) { return l.data.documents(p.who, step); },
              [&](const auto& report) {
                r.measures["seconds"] = before + clock.seconds();
                r.measures["flops"] += report.flops;
                r.measures["tokens"] += static_cast<double>(report.tokens);
                r.measures["scenes"] += static_cast<double>(report.images);
                trainer.set_metadata(checkpoint_metadata(r));
                watch(report.step + 1, report.total);
              });
}

/// What a model makes of each request, part by part: that bounds the memory of the cache.
template <class Model>
std::vector<tf::document> generated(const Model& m, const tf::generation_options& o,
                                    const std::vector<tf::generation_request>& requests) {
  constexpr std::size_t chunk = 200;
  tf::generator<Model> generate(m, o);
  std::vector<tf::document> all;
  for (std::size_t begin = 0; begin < requests.size(); begin += chunk) {
    const auto from = requests.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto count = std::min(chunk, requests.size() - begin);
    for (auto& done : generate({from, from + static_cast<std::ptrdiff_t>(count)}))
      all.push_back(std::move(done.content));
  }
  return all;
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
  std::vector<double> by_chance;
  for (index_t i = 0; i < l.set.read; ++i) {
    const auto texts = l.data.candidates(i);
    options.push_back(texts.size());
    by_chance.push_back(1.0 / static_cast<double>(texts.size()));
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
  put(r, "ranked", tf::ranked_accuracy(items).right, by_chance);
}

/// Captions that the model writes of held-out scenes, word by word the likeliest, against the true ones; without
/// looking they are as like those of other scenes.
template <class Model>
void write_captions(const Model& m, const lab& l, const planned& p, result& r) {
  constexpr index_t longest = settings::most_words + 4;
  using words = std::vector<tf::token_t>;
  std::vector<tf::generation_request> requests;
  std::vector<words> written;
  std::vector<std::vector<words>> meant;
  for (index_t i = 0; i < l.set.read; ++i) {
    const encoded_scene& e = l.data.held_out()[static_cast<std::size_t>(i)];
    requests.push_back({.prompt = {e.item(p.who)}});
    meant.push_back({e.caption.tokens});
  }
  for (const tf::document& d : generated(m, {.max_tokens = longest, .max_images = 0}, requests)) {
    const auto* said = std::get_if<tf::text>(&d.segments.back());
    written.push_back(said ? said->tokens : words());
  }
  const auto found = tf::cider_d(written, meant);
  std::rotate(meant.begin(), meant.begin() + 1, meant.end());
  put(r, "cider", found.each, tf::cider_d(written, meant).each);
}

/// Latents or codes drawn from prompts, as pictures with values within [-1, 1].
template <class Model>
std::vector<scenes::drawn_picture> draw(const Model& m, const lab& l, const planned& p,
                                        const std::vector<scenes::prompt>& prompts, std::uint64_t seed) {
  constexpr double range = 4;  // of latents of unit variance
  const bool codes = p.who == family::chameleon;
  tf::generation_options o{.max_tokens = 0, .image = codes ? l.set.code_shape() : l.set.latent_shape()};
  o.image_steps = l.set.image_steps;
  o.guidance = l.set.guidance;
  o.data_low = -range;
  o.data_high = range;
  std::vector<tf::generation_request> requests;
  for (const scenes::prompt& asked : prompts)
    requests.push_back({{scenes::tokens(asked)}, true, seed * 1000003 + requests.size()});
  std::vector<tf::image> items;
  for (tf::document& d : generated(m, o, requests)) items.push_back(std::get<tf::image>(std::move(d.segments.back())));
  std::vector<scenes::drawn_picture> drawn;
  for (tf::image& picture : (codes ? l.vq : l.vae).decode(items)) {
    for (float& v : picture.values) v = std::clamp(v, -1.0f, 1.0f);
    drawn.push_back({prompts[drawn.size()], std::move(picture)});
  }
  return drawn;
}

/// Scenes drawn from the captions of held-out ones: their distance to real ones, and how like their prompts they are.
template <class Model>
void look_at_scenes(const Model& m, const lab& l, const planned& p, result& r) {
  std::vector<scenes::prompt> asked;
  for (index_t i = 0; i < l.set.drawn; ++i) asked.push_back(l.data.held_out()[static_cast<std::size_t>(i)].shown.words);
  const auto drawn = draw(m, l, p, asked, 2 * l.set.seed);
  std::vector<tf::image> pictures;
  for (const auto& d : drawn) pictures.push_back(d.picture);
  const auto distance = l.seen.frechet(pictures);
  r.measures["frechet"] = distance.value;
  r.measures["frechet_error"] = distance.standard_error;
  put(r, "similarity", l.seen.similarity(drawn), l.seen.similarity(exchanged(drawn, 1)));
}

/// How often single objects are drawn as asked; the first of them are kept.
template <class Model>
void look_at_objects(const Model& m, const lab& l, const planned& p, result& r) {
  std::vector<scenes::prompt> asked;
  for (index_t i = 0; i < l.set.drawn; ++i) asked.push_back(single_prompt(i));
  const auto drawn = draw(m, l, p, asked, 2 * l.set.seed + 1);
  const auto right = [](const std::vector<scenes::drawn_picture>& all) {
    std::vector<double> scores;
    for (const auto& d : all) scores.push_back(is_right(d.asked, d.picture) ? 1 : 0);
    return scores;
  };
  put(r, "right", right(drawn), right(exchanged(drawn, 2)));  // every second prompt names a colour
  std::vector<scenes::drawn_picture> coloured;
  std::copy_if(drawn.begin(), drawn.end(), std::back_inserter(coloured),
               [](const auto& d) { return d.asked.nouns.front().tint.has_value(); });
  put(r, "judged", l.seen.named(coloured), l.seen.named(exchanged(coloured, 1)));
  std::vector<tf::image> shown;
  for (std::size_t i = 0; i < shown_prompts().size(); ++i) shown.push_back(coloured[i].picture);
  r.pictures = p.name() + ".png";
  support::save_strip(l.store.folder() / r.pictures, shown);
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
  tf::train_options options = support::short_run(l.set.steps(p.budget), rate, l.set.seed);
  options.quiet = true;
  options.checkpoint_path = checkpoint_file(l.store, p).string();
  options.checkpoint_every = std::max<index_t>(1, options.steps / 5);
  tf::trainer<model> trainer(m, options);
  train(trainer, l, p, watch, r);
  r.measures["parameters"] = static_cast<double>(m.parameters().count());
  const tf::averaged_weights<Exec> averaged(e, m.parameters(), trainer.optimiser());
  read_text(m, l, options, r);
  rank_captions(m, l, p, r);
  write_captions(m, l, p, r);
  look_at_scenes(m, l, p, r);
  look_at_objects(m, l, p, r);
  return r;
}

}  // namespace parity::detail
