// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "folder/support/recipe.hpp"
#include "support/vocabulary.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/io.hpp"

namespace folder {

using tf::index_t;

/// How pictures are drawn.
struct drawing {
  double guidance = 3;
  int image_steps = 250;
  std::uint64_t seed = 1;
};

/// How text is written. max_tokens 0: as many as the longest training caption had.
struct writing {
  tf::text_sampling text{};
  index_t max_tokens = 0;
  std::uint64_t seed = 1;
};

/// A document in the order in which it was generated: either part may come first, or be missing.
struct written_document {
  std::string caption;
  std::vector<tf::image> pictures;
};

/// A trained model with what it takes to talk to it.
template <class Exec>
class trained {
 public:
  /// Reads the averaged weights of a checkpoint. Throws io_error or format_error naming the file.
  trained(Exec& e, const std::filesystem::path& checkpoint);

  const tf::image_shape& shape() const { return shape_; }
  const support::vocabulary& words() const { return *words_; }

  /// `count` pictures of each caption, caption by caption. Throws config_error naming a word that training never saw.
  std::vector<tf::image> draw(const std::vector<std::string>& captions, index_t count, const drawing& how) const;

  /// `count` captions of each picture, picture by picture.
  std::vector<std::string> describe(const std::vector<tf::image>& pictures, index_t count, const writing& how) const;

  /// Documents that begin with nothing: the model writes and draws what it likes.
  std::vector<written_document> write(index_t count, const writing& text, const drawing& pictures) const;

 private:
  trained(Exec& e, const tf::safetensors_file& file);

  index_t limit(const writing& how) const { return how.max_tokens > 0 ? how.max_tokens : longest_caption_; }
  std::vector<tf::generated_document> generate(const std::vector<tf::generation_request>& requests,
                                               const tf::generation_options& options) const;

  std::unique_ptr<support::vocabulary> words_;
  tf::image_shape shape_;
  index_t longest_caption_ = 0;
  model<Exec> model_;
};

}  // namespace folder
