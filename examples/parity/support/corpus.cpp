// SPDX-License-Identifier: Apache-2.0
#include "parity/support/corpus.hpp"

#include <algorithm>

#include "parity/support/coders.hpp"
#include "scenes/support/model.hpp"
#include "transfusion/sequence/pair.hpp"
#include "transfusion/train/progress.hpp"

namespace parity {

namespace {

constexpr std::uint64_t another_set = 1000003;  // seeds of training and held-out scenes lie this far apart

scenes::captioned_scene training(const settings& s, index_t number) {
  return scenes::training_scene(s.seed, static_cast<std::uint64_t>(number));
}

template <class Scene>
std::vector<encoded_scene> encoded(const settings& s, index_t count, const Scene& scene_of, const coder& vae,
                                   const coder& vq) {
  constexpr index_t chunk = 256;
  tf::progress bar("scenes", count);
  std::vector<encoded_scene> all;
  for (index_t begin = 0; begin < count; begin += chunk) {
    std::vector<tf::image> pictures;
    for (index_t i = begin; i < std::min(begin + chunk, count); ++i) {
      all.push_back({scene_of(s, i), {}, {}, {}});
      all.back().caption = scenes::tokens(all.back().shown.words);
      pictures.push_back(draw(all.back().shown.shown, settings::side));
    }
    auto latents = vae.encode(pictures), codes = vq.encode(pictures);
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      encoded_scene& e = all[static_cast<std::size_t>(begin) + i];
      e.latent = std::move(latents[i]);
      e.codes = std::move(codes[i]);
    }
    bar.update(std::ssize(all), "drawn and encoded");
  }
  return all;
}

}  // namespace

scenes::captioned_scene held_out(const settings& s, index_t number) {
  return scenes::training_scene(s.seed + another_set, static_cast<std::uint64_t>(number));
}

std::vector<tf::image> training_pictures(const settings& s, index_t first, index_t count) {
  std::vector<tf::image> pictures;
  for (index_t i = first; i < first + count; ++i) pictures.push_back(draw(training(s, i).shown, settings::side));
  return pictures;
}

scenes::prompt single_prompt(index_t number) {
  const auto& prompts = scenes::training_prompts(number % 2 == 0 ? scenes::task::single_object : scenes::task::colours);
  return prompts[static_cast<std::size_t>(number / 2 * 7919) % prompts.size()];
}

std::vector<scenes::prompt> shown_prompts() {
  std::vector<scenes::prompt> some;
  for (index_t i = 0; i < 8; ++i) some.push_back(single_prompt(2 * i + 1));
  return some;
}

std::map<std::string, double> caption_shares() {
  std::map<std::string, double> shares;
  for (index_t t = 0; t < scenes::task_count; ++t) {
    const auto& prompts = scenes::training_prompts(scenes::task_at(t));
    const double each = 1.0 / static_cast<double>(scenes::task_count * std::ssize(prompts));
    for (const scenes::prompt& p : prompts) {
      scenes::prompt plain = p;
      for (scenes::noun& n : plain.nouns) n.tint.reset();
      const double without_colours = p.count || p.where ? 1.0 / 3 : 0;
      shares[caption(plain)] += without_colours * each;
      shares[caption(p)] += (1 - without_colours) * each;
    }
  }
  return shares;
}

corpus::corpus(const settings& s, const coder& vae, const coder& vq)
    : set_(&s),
      training_(encoded(s, s.scenes(), &training, vae, vq)),
      held_out_(encoded(s, std::max(s.read, s.drawn), &parity::held_out, vae, vq)) {}

std::vector<tf::document> corpus::documents(family who, index_t step) const {
  std::vector<tf::document> documents;
  const tf::random_key key{set_->seed, static_cast<std::uint32_t>(step), tf::stream::data_order};
  for (index_t i = 0; i < set_->pairs; ++i) {
    const encoded_scene& e = training_[static_cast<std::size_t>(step * set_->pairs + i)];
    documents.push_back(tf::paired(e.caption, e.item(who), key.uniform(static_cast<std::uint64_t>(i))));
  }
  return documents;
}

std::vector<tf::text> corpus::candidates(index_t i) const {
  constexpr std::size_t all = 10;
  const auto& own = held_out_[static_cast<std::size_t>(i)];
  std::vector<tf::text> texts{own.caption};
  for (index_t step = 1; texts.size() < all && step < std::ssize(held_out_); ++step) {
    const auto& other = held_out_[static_cast<std::size_t>((i + step) % std::ssize(held_out_))];
    if (shows(other.shown.words, own.shown.shown.objects)) continue;
    const auto same = [&](const tf::text& t) { return t.tokens == other.caption.tokens; };
    if (std::none_of(texts.begin(), texts.end(), same)) texts.push_back(other.caption);
  }
  return texts;
}

}  // namespace parity
