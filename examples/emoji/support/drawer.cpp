// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/drawer.hpp"

#include <algorithm>
#include <map>

#include "emoji/support/stage_run.hpp"
#include "transfusion/metric/likelihood.hpp"
#include "transfusion/sequence/pair.hpp"

namespace emoji {

namespace {

constexpr double sentence_share = 0.1, name_first_share = 0.75;
constexpr std::size_t at_once = 64;  // requests: bounds the memory of the cache
constexpr double latent_range = 4;   // of unit variance

}  // namespace

support::word_vocabulary vocabulary_of(const data& d) {
  std::vector<std::string> texts{"a", "an", "and", ":"};
  for (const item& i : d.items()) {
    texts.push_back(i.name);
    texts.push_back(verb(i));
  }
  return support::word_vocabulary(texts);
}

corpus::corpus(const data& d, const std::vector<tf::image>& latents)
    : data_(&d), latents_(&latents), words_(vocabulary_of(d)) {
  tf::require_extent("emoji: latents", static_cast<index_t>(latents.size()), static_cast<index_t>(d.items().size()));
  std::map<std::string, std::vector<index_t>> lists;
  for (index_t i : d.training())
    if (const std::string v = verb(d.at(i)); !v.empty()) lists[v].push_back(i);
  for (auto& [v, list] : lists) by_verb_.push_back(std::move(list));
}

tf::document corpus::sentence(index_t first, index_t second, bool told) const {
  const std::string &one = data_->at(first).name, &two = data_->at(second).name;
  tf::document d{text(verb(data_->at(first)) + " " + article(one)), latent(first), text("and " + article(two)),
                 latent(second)};
  if (told) d.segments.push_back(text(": " + one + " and " + two));
  return d;
}

std::vector<tf::document> corpus::documents(index_t step, index_t count, std::uint64_t seed) const {
  const tf::data_order order(seed, static_cast<index_t>(data_->training().size()));
  const tf::random_key key{seed, static_cast<std::uint32_t>(step), tf::stream::document_order};
  std::vector<tf::document> documents;
  for (index_t i = 0; i < count; ++i) {
    const auto draw = static_cast<std::uint64_t>(4 * i);
    if (!by_verb_.empty() && key.uniform(draw) < sentence_share) {
      const auto& list = by_verb_[static_cast<std::size_t>(key.below(draw + 1, static_cast<index_t>(by_verb_.size())))];
      const auto drawn = [&](std::uint64_t n) {
        return list[static_cast<std::size_t>(key.below(draw + n, static_cast<index_t>(list.size())))];
      };
      documents.push_back(sentence(drawn(2), drawn(3)));
    } else {
      const index_t item = data_->training()[static_cast<std::size_t>(order(step * count + i))];
      documents.push_back(tf::paired(name(item), latent(item), key.uniform(draw + 1), name_first_share));
    }
  }
  return documents;
}

template <class Recipe, class Exec>
tf::model_config<Recipe> drawer<Recipe, Exec>::sizes(index_t vocabulary, const settings& s) {
  tf::model_config<Recipe> m{
      .layers = s.drawer.layers, .width = s.drawer.width, .heads = s.drawer.heads, .vocabulary = vocabulary};
  m.codec.channels = s.latent_channels;
  m.codec.patch = s.drawer.patch;
  if constexpr (requires { m.codec.level_channels; }) {
    m.codec.level_channels = {32, 64, 64, 64};
    m.codec.blocks = 1;
  }
  return m;
}

template <class Recipe, class Exec>
void drawer<Recipe, Exec>::train(Exec& e, const corpus& c, const origin& of, const settings& s, const stage& to) {
  const support::run_settings& how = s.drawer;
  const auto config = sizes(c.words().size(), s);
  const auto documents_of = [&](index_t step) { return c.documents(step, how.pairs, s.seed); };
  stage_run run(to, s, [&] {
    return how.steps > 0 ? how.steps : support::steps_that_fit<model>(how.minutes, e, config, how.rate, documents_of);
  });
  auto options = support::short_run(run.steps(), how.rate, s.seed);
  options.log_path = to.beside("csv").string();
  options.checkpoint_path = to.part().string();
  options.checkpoint_every = run.checkpoint_every();
  options.caption_dropout = how.caption_dropout;
  options.text_dropout = how.text_dropout;
  model m(e, config, s.seed);
  tf::trainer<model> training(m, options);
  auto metadata = of.metadata();
  metadata.merge(to.metadata());
  training.set_metadata(std::move(metadata));
  if (run.goes_on()) training.resume(options.checkpoint_path);
  training.run(documents_of, [&](const auto& step) { run.did(step.step, step.images); });
  run.end(m.parameters().count());
  std::filesystem::rename(to.part(), to.file);
}

template <class Recipe, class Exec>
drawer<Recipe, Exec>::drawer(Exec& e, const corpus& c, const stage& from, const drawing& how)
    : corpus_(&c), how_(how), model_(e, tf::read_config<Recipe>(tf::safetensors_file(from.file)), 0) {
  tf::load_weights(tf::safetensors_file(from.file), model_);
}

template <class Recipe, class Exec>
tf::generation_options drawer<Recipe, Exec>::options(index_t tokens, index_t pictures) const {
  return {.max_tokens = tokens,
          .max_images = pictures,
          .image = corpus_->latent_shape(),
          .image_steps = how_.steps,
          .guidance = how_.guidance,
          .data_low = -latent_range,
          .data_high = latent_range};
}

template <class Recipe, class Exec>
std::vector<tf::image> drawer<Recipe, Exec>::draw(const std::vector<index_t>& items) const {
  tf::generator<model> generate(model_, options(0, 1));
  tf::progress bar("draw", static_cast<index_t>(items.size()));
  std::vector<tf::image> drawn;
  for (std::size_t begin = 0; begin < items.size(); begin += at_once) {
    std::vector<tf::generation_request> requests;
    for (std::size_t i = begin; i < std::min(begin + at_once, items.size()); ++i)
      requests.push_back({{corpus_->name(items[i])}, true, how_.seed * 1000003 + static_cast<std::uint64_t>(i)});
    for (auto& result : generate(requests))
      drawn.push_back(std::get<tf::image>(std::move(result.content.segments.back())));
    bar.update(static_cast<index_t>(drawn.size()), "");
  }
  return drawn;
}

template <class Recipe, class Exec>
std::vector<std::string> drawer<Recipe, Exec>::names(const std::vector<index_t>& items) const {
  tf::generator<model> generate(model_, {.max_tokens = 16, .max_images = 0});
  std::vector<std::string> said;
  for (std::size_t begin = 0; begin < items.size(); begin += at_once) {
    std::vector<tf::generation_request> requests;
    for (std::size_t i = begin; i < std::min(begin + at_once, items.size()); ++i)
      requests.push_back({.prompt = {corpus_->latent(items[i])}});
    for (const auto& result : generate(requests)) {
      const auto* words = std::get_if<tf::text>(&result.content.segments.back());
      said.push_back(words ? corpus_->words().decode(words->tokens) : std::string());
    }
  }
  return said;
}

template <class Recipe, class Exec>
std::vector<double> drawer<Recipe, Exec>::log_likelihoods(const std::vector<index_t>& pictures,
                                                          const std::vector<index_t>& names) const {
  std::vector<tf::document> documents;
  for (std::size_t i = 0; i < pictures.size(); ++i)
    documents.push_back({corpus_->latent(pictures[i]), corpus_->name(names[i])});
  return tf::text_log_likelihood(model_, documents);
}

template <class Recipe, class Exec>
std::vector<tf::document> drawer<Recipe, Exec>::go_on(const std::vector<tf::document>& prompts, index_t pictures,
                                                      double temperature) const {
  auto o = options(24, pictures);
  o.text.temperature = temperature;
  tf::generator<model> generate(model_, o);
  std::vector<tf::generation_request> requests;
  for (const tf::document& prompt : prompts)
    requests.push_back({.prompt = prompt, .seed = how_.seed + requests.size()});
  std::vector<tf::document> ended;
  for (auto& result : generate(requests)) ended.push_back(std::move(result.content));
  return ended;
}

template class drawer<linear_recipe, support::cpu_policy>;
template class drawer<unet_recipe, support::cpu_policy>;
#if TRANSFUSION_HAS_CUDA
template class drawer<linear_recipe, support::cuda_policy>;
template class drawer<unet_recipe, support::cuda_policy>;
#endif

}  // namespace emoji
