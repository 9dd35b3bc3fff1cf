// SPDX-License-Identifier: Apache-2.0
#include "parity/support/eyes.hpp"

#include <algorithm>
#include <cmath>

#include "parity/support/corpus.hpp"

namespace parity {

namespace {

constexpr index_t reference_from = 1 << 20, others_from = 1 << 21;  // numbers of scenes that nothing else uses

index_t label_of(const scenes::object& o) {
  return static_cast<index_t>(o.kind) * scenes::colour_count + static_cast<index_t>(o.tint);
}

index_t label_of(const scenes::scene& s) {
  return label_of(*std::min_element(s.objects.begin(), s.objects.end(),
                                    [](const scenes::object& a, const scenes::object& b) { return a.y < b.y; }));
}

std::uint8_t to_byte(float v) { return static_cast<std::uint8_t>(std::lround((v + 1) * 127.5f)); }

support::labelled_images labelled(const settings& s) {
  support::labelled_images set{s.eyes_scenes, 3 * settings::side, settings::side, {}, {}};
  for (index_t i = 0; i < s.eyes_scenes; ++i) {
    const auto scene = scenes::training_scene(s.seed, static_cast<std::uint64_t>(i)).shown;
    for (const float v : draw(scene, settings::side).values) set.pixels.push_back(to_byte(v));
    set.labels.push_back(static_cast<std::uint8_t>(label_of(scene)));
  }
  return set;
}

std::vector<tf::image> real(const settings& s, index_t from, index_t count) {
  std::vector<tf::image> pictures;
  for (index_t i = 0; i < count; ++i) pictures.push_back(draw(held_out(s, from + i).shown, settings::side));
  return pictures;
}

std::vector<float> values_of(const std::vector<tf::image>& pictures) {
  std::vector<float> values;
  for (const tf::image& p : pictures)
    for (const float v : p.values) values.push_back(std::clamp(v, -1.0f, 1.0f));
  return values;
}

}  // namespace

eyes::eyes(const settings& s)
    : set_(&s),
      judge_(s.device.threads, 3 * settings::side * settings::side, classes, 1),
      reference_(support::judge::features) {
  judge_.train(labelled(s), s.eyes_epochs, 1);
  reference_ = tf::frechet_statistics_of(features_of(real(s, reference_from, s.compared)));
  embedder_ = scenes::scene_embedder({.steps = s.embedder_steps}, settings::side, s.device.threads);
}

std::vector<std::vector<double>> eyes::features_of(const std::vector<tf::image>& pictures) {
  return judge_.look(values_of(pictures)).features;
}

std::vector<index_t> eyes::labels_of(const std::vector<tf::image>& pictures) {
  return judge_.look(values_of(pictures)).labels;
}

tf::frechet_result eyes::frechet(const std::vector<tf::image>& pictures) {
  return tf::bootstrap_frechet(features_of(pictures), reference_, {.resamples = 100});
}

tf::frechet_result eyes::frechet_of_real() { return frechet(real(*set_, others_from, set_->drawn)); }

double eyes::accuracy() {
  const auto labels = labels_of(real(*set_, others_from, set_->compared));
  index_t right = 0;
  for (index_t i = 0; i < set_->compared; ++i)
    right += labels[static_cast<std::size_t>(i)] == label_of(held_out(*set_, others_from + i).shown);
  return static_cast<double>(right) / static_cast<double>(set_->compared);
}

std::vector<double> eyes::named(const std::vector<scenes::drawn_picture>& drawn) {
  std::vector<tf::image> pictures;
  for (const auto& d : drawn) pictures.push_back(d.picture);
  const auto labels = labels_of(pictures);
  std::vector<double> right;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const scenes::noun& n = drawn[i].asked.nouns.front();
    right.push_back(labels[i] == label_of(scenes::object{n.kind, n.tint.value()}) ? 1 : 0);
  }
  return right;
}

std::vector<double> eyes::similarity(const std::vector<scenes::drawn_picture>& drawn) {
  return similarity_of(*embedder_, drawn).each;
}

std::vector<double> eyes::similarity_of_real() {
  std::vector<scenes::drawn_picture> shown;
  for (index_t i = 0; i < set_->drawn; ++i) {
    const auto scene = held_out(*set_, i);
    shown.push_back({scene.words, draw(scene.shown, settings::side)});
  }
  return similarity(shown);
}

std::vector<scenes::drawn_picture> exchanged(const std::vector<scenes::drawn_picture>& drawn, std::size_t by) {
  auto other = drawn;
  for (std::size_t i = 0; i < drawn.size(); ++i) other[i].asked = drawn[(i + by) % drawn.size()].asked;
  return other;
}

}  // namespace parity
