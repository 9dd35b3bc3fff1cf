// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/fit.hpp"

#include <algorithm>
#include <set>

#include "scenes/support/dice.hpp"
#include "scenes/support/draw.hpp"
#include "transfusion/metric/similarity.hpp"

namespace scenes {

namespace {

constexpr std::uint64_t stride = 4096;  // numbers of training scenes a step may look at

support::embedder_options sizes_for(index_t side) {
  return {.picture = {3, side, side}, .vocabulary = vocabulary().size()};
}

/// Training scenes with different captions: equal ones would count as wrong for each other.
std::vector<support::captioned_picture> different_pairs(const embedder_source& from, index_t step, index_t side) {
  std::vector<support::captioned_picture> pairs;
  std::set<std::string> captions;
  for (std::uint64_t i = 0; i < stride && std::ssize(pairs) < from.pairs; ++i) {
    const auto c = training_scene(from.seed, static_cast<std::uint64_t>(step) * stride + i);
    if (captions.insert(caption(c.words)).second) pairs.push_back({draw(c.shown, side), tokens(c.words).tokens});
  }
  return pairs;
}

/// Pictures and their prompts in the embedder's space.
struct embedded_pairs {
  std::vector<float> of_pictures, of_prompts;
  index_t count = 0, features = 0;

  tf::view<const float, 2> pictures() const { return {of_pictures.data(), count, features}; }
  tf::view<const float, 2> prompts() const { return {of_prompts.data(), count, features}; }
};

embedded_pairs embedded(support::paired_embedder& embedder, const std::vector<drawn_picture>& pictures) {
  std::vector<tf::image> seen;
  std::vector<std::vector<tf::token_t>> asked;
  for (const drawn_picture& p : pictures) {
    seen.push_back(p.picture);
    asked.push_back(tokens(p.asked).tokens);
  }
  return {embedder.embed(seen), embedder.embed(asked), std::ssize(pictures), embedder.options().features};
}

}  // namespace

void embedder_source::add_to(CLI::App& app) {
  app.add_option("--embedder", file, "A saved embedder for the similarity; left out: one is trained")
      ->check(CLI::ExistingFile);
  app.add_option("--save-embedder", save_to, "Where to leave the embedder that was trained");
  app.add_option("--embedder-steps", steps, "Steps of its training")->capture_default_str()->check(CLI::PositiveNumber);
}

std::unique_ptr<support::paired_embedder> scene_embedder(const embedder_source& from, index_t side, int threads) {
  const auto sizes = sizes_for(side);
  if (!from.file.empty()) {
    auto embedder = std::make_unique<support::paired_embedder>(threads, from.file);
    const auto& found = embedder->options();
    tf::require<tf::format_error>(
        found.picture == sizes.picture && found.vocabulary == sizes.vocabulary && found.words == sizes.words, from.file,
        ": embedder: found pictures of ", found.picture.height, " x ", found.picture.width, " and captions of ",
        found.words, " of ", found.vocabulary, " tokens, expected ", side, " x ", side, " and ", sizes.words, " of ",
        sizes.vocabulary);
    return embedder;
  }
  auto embedder = std::make_unique<support::paired_embedder>(threads, sizes, from.seed);
  embedder->train([&](index_t step) { return different_pairs(from, step, side); },
                  {.steps = from.steps, .quiet = from.quiet});
  if (!from.save_to.empty()) embedder->save(from.save_to);
  return embedder;
}

std::vector<drawn_picture> different_prompts(const std::vector<std::vector<drawn_picture>>& of_tasks, index_t count) {
  std::vector<drawn_picture> chosen;
  std::set<std::string> captions;
  std::size_t most = 0;
  for (const auto& pictures : of_tasks) most = std::max(most, pictures.size());
  for (std::size_t i = 0; i < most; ++i)
    for (const auto& pictures : of_tasks)
      if (i < pictures.size() && std::ssize(chosen) < count && captions.insert(caption(pictures[i].asked)).second)
        chosen.push_back(pictures[i]);
  return chosen;
}

std::vector<drawn_picture> true_pictures(const std::vector<drawn_picture>& of, index_t side, std::uint64_t seed) {
  std::vector<drawn_picture> pictures;
  for (const drawn_picture& p : of) {
    dice d(seed, static_cast<std::uint64_t>(pictures.size()), dice::use::asked);
    pictures.push_back({p.asked, draw(scene_of(p.asked, d), side)});
  }
  return pictures;
}

tf::item_scores similarity_of(support::paired_embedder& embedder, const std::vector<drawn_picture>& pictures) {
  const embedded_pairs pairs = embedded(embedder, pictures);
  return tf::paired_similarity(pairs.pictures(), pairs.prompts());
}

picture_fit fit_of(support::paired_embedder& embedder, const std::vector<drawn_picture>& pictures) {
  const embedded_pairs pairs = embedded(embedder, pictures);
  const auto recall = [&](index_t k) {
    return tf::bootstrap_mean(tf::retrieval_recall(pairs.pictures(), pairs.prompts(), k).each);
  };
  return {tf::bootstrap_mean(tf::paired_similarity(pairs.pictures(), pairs.prompts()).each), recall(1), recall(5)};
}

}  // namespace scenes
