// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/io/safetensors.hpp"
#include "transfusion/layer/convolution.hpp"
#include "transfusion/layer/linear.hpp"
#include "transfusion/layer/pixel_pyramid.hpp"
#include "transfusion/sequence/document.hpp"

namespace support {

namespace tf = transfusion;
using tf::index_t;

/// Sizes of a paired_embedder.
struct embedder_options {
  tf::image_shape picture;                     ///< of every picture; of depth 1
  index_t vocabulary = 0;                      ///< V
  index_t words = 12;                          ///< most tokens of a caption
  std::vector<index_t> channels{32, 64, 128};  ///< of the convolutions, each over half of the pixels before it
  index_t width = 256;                         ///< of the layer before the last of both towers
  index_t features = 64;                       ///< F

  template <class Self, class Visit>
  static void visit_fields(Self& o, Visit visit) {
    visit("picture_channels", o.picture.channels);
    visit("height", o.picture.height);
    visit("width", o.picture.width);
    visit("vocabulary", o.vocabulary);
    visit("words", o.words);
    visit("channels", o.channels);
    visit("hidden", o.width);
    visit("features", o.features);
  }
};

/// A picture and the tokens of its caption.
struct captioned_picture {
  tf::image picture;
  std::vector<tf::token_t> caption;
};

/// How a paired_embedder is trained.
struct embedder_training {
  index_t steps = 1500;
  double rate = 1e-3;  ///< the highest
  bool quiet = false;
};

/// CLIP's role (Radford et al. 2021) at the size of an example: pictures and captions become vectors of one space,
/// where those of a pair are near. Pictures go through convolutions, captions through a table of words, both place by
/// place into two linear layers. Always on the CPU, so that all devices' pictures meet the same measure.
class paired_embedder {
 public:
  using exec = tf::cpu_exec<float>;

  /// `threads` = 0 takes every core. Throws config_error on a size below 1, or a depth above it.
  paired_embedder(int threads, const embedder_options& o, std::uint64_t seed);
  /// One that was saved. Throws format_error on a file that holds none.
  paired_embedder(int threads, const std::filesystem::path& path);
  paired_embedder(const paired_embedder&) = delete;
  paired_embedder& operator=(const paired_embedder&) = delete;

  /// Trains on the pairs of each step with the contrastive loss and AdamW; returns the loss of the last step. Best
  /// with different captions within a step: each of equal ones counts as wrong for the other. Throws as `embed`, and
  /// config_error on a step without pairs.
  double train(const std::function<std::vector<captioned_picture>(index_t step)>& pairs_of,
               const embedder_training& how);

  /// [N, F], row after row. Throws shape_error on a picture of another shape, config_error on a caption that is too
  /// long or has other tokens.
  std::vector<float> embed(std::span<const tf::image> pictures);
  std::vector<float> embed(std::span<const std::vector<tf::token_t>> captions);

  void save(const std::filesystem::path& path);

  const embedder_options& options() const { return options_; }

 private:
  using var = tf::var<exec>;

  paired_embedder(int threads, const tf::safetensors_file& file);
  var picture_tower(tf::tape<exec>& tape, std::span<const tf::image> pictures);
  var caption_tower(tf::tape<exec>& tape, std::span<const std::vector<tf::token_t>> captions);

  exec exec_;
  embedder_options options_;
  tf::pixel_pyramid pyramid_;
  tf::parameter_set<exec> parameters_;
  std::vector<tf::layer::convolution<exec>> convolutions_;
  std::vector<tf::layer::linear<exec>> picture_layers_, caption_layers_;  ///< two each
  tf::parameter<exec> words_, scale_;
};

}  // namespace support
