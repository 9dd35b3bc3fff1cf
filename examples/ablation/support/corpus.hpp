// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "support/emoji.hpp"
#include "support/idx.hpp"
#include "support/vocabulary.hpp"
#include "transfusion/sequence/document.hpp"

/// The paper's experiments at small scale.
namespace ablation {

namespace tf = transfusion;
using tf::index_t;

/// A picture [C, H, W] with the number of its caption.
struct captioned {
  std::vector<std::uint8_t> pixels;
  index_t caption = 0;
};

/// Captioned pictures, some of them held out, with their captions as tokens.
class corpus {
 public:
  /// Throws config_error unless there are pictures to train on and to hold out.
  corpus(std::string name, tf::image_shape shape, std::vector<std::string> captions, std::vector<captioned> train,
         std::vector<captioned> held_out);

  const std::string& name() const { return name_; }
  tf::image_shape shape() const { return shape_; }
  const support::word_vocabulary& words() const { return words_; }
  const std::vector<captioned>& train() const { return train_; }
  const std::vector<captioned>& held_out() const { return held_out_; }
  index_t caption_count() const { return static_cast<index_t>(captions_.size()); }
  const std::string& caption(index_t number) const { return captions_[static_cast<std::size_t>(number)]; }
  const tf::text& tokens(index_t number) const { return tokens_[static_cast<std::size_t>(number)]; }
  tf::image picture(const captioned& c) const;

  /// The documents of a training step: one pair each, four fifths of them caption first (paper §4.1).
  std::vector<tf::document> documents(index_t step, index_t pairs, std::uint64_t seed) const;

  /// Ten captions, or all where there are fewer, of which held-out picture i has the first.
  std::vector<index_t> candidates(index_t i) const;

  /// The captions of `count` pictures to draw: all of them in turn, or as many as that evenly from all.
  std::vector<index_t> to_draw(index_t count) const;

  /// Which of `to_draw(count)` are kept to be shown: up to ten of different captions.
  std::vector<index_t> to_show(index_t count) const;

  /// What tells a caption from the others: without the words with which all begin.
  std::string short_caption(index_t number) const;

 private:
  std::string name_;
  tf::image_shape shape_;
  std::vector<std::string> captions_;
  support::word_vocabulary words_;
  std::vector<tf::text> tokens_;
  std::vector<captioned> train_, held_out_;
};

/// Fashion-MNIST, 28 × 28 grey, "a photo of a dress". Throws what read_fashion_mnist throws.
corpus fashion_corpus(const std::filesystem::path& folder);

/// Emoji of one code point in colour, by their names; every tenth is held out. Throws what emoji.hpp says.
corpus emoji_corpus(index_t side, const std::filesystem::path& names, const std::filesystem::path& font);

}  // namespace ablation
