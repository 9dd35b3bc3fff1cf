// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "emoji/support/data.hpp"
#include "emoji/support/settings.hpp"
#include "transfusion/autoencoder/vgg.hpp"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cuda.hpp"

namespace emoji {

inline constexpr index_t classifier_features = 64;  ///< before its last layer

/// A small network of VGG's kind that tells an emoji's group: its body serves the autoencoder's perceptual loss, and
/// what stands before its last layer the Fréchet distances. It never sees a drawn picture or one that is held out.
template <class Exec>
class classifier {
 public:
  classifier(Exec& exec, index_t groups, std::uint64_t seed);

  /// Cross-entropy on views of the training pictures, then writes the stage's file; freezes the body.
  void train(const data& d, const settings& s);
  /// The body under torchvision's names, and the head.
  void save(const stage& s);
  /// Throws format_error, with nothing changed, on a file that does not fit.
  void load(const std::filesystem::path& file);

  struct opinion {
    std::vector<index_t> groups;                ///< the likeliest of each picture
    std::vector<std::vector<double>> features;  ///< before the last layer
  };
  opinion look(std::span<const tf::image> pictures) const;
  /// The share of items whose group it names.
  double accuracy(const data& d, const std::vector<index_t>& items) const;

  const tf::vgg<Exec>& body() const { return body_; }

 private:
  using real = typename Exec::real;
  class training;

  tf::var<Exec> run(tf::tape<Exec>& tape, std::span<const tf::image> pictures) const;
  std::vector<double> on_host(tf::tape<Exec>& tape, tf::view<const typename Exec::scalar, 2> rows) const;

  Exec* exec_;
  tf::vgg<Exec> body_;
  mutable tf::pixel_pyramid pyramid_;
  tf::parameter_set<Exec> head_;
  tf::layer::linear<Exec> hidden_;
  tf::parameter<Exec> last_;
};

/// How many steps fit into the minutes, if a step takes as long as the next few. At least 1.
template <class Step>
index_t steps_in(const length& how, Step step) {
  if (how.steps > 0) return how.steps;
  constexpr index_t warm = 3, timed = 12;
  for (index_t i = 0; i < warm; ++i) step(i);
  const support::stopwatch watch;
  for (index_t i = warm; i < warm + timed; ++i) step(i);
  return std::max<index_t>(1, static_cast<index_t>(60 * how.minutes * timed / watch.seconds()));
}

}  // namespace emoji
