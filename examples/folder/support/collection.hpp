// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "folder/support/settings.hpp"
#include "support/captions.hpp"
#include "support/vocabulary.hpp"
#include "transfusion/model.hpp"

/// Captioned pictures of a folder: what the programs of this example share.
namespace folder {

namespace tf = transfusion;

/// A vocabulary of the kind "word", made of these captions, or "byte". Throws config_error on another kind.
std::unique_ptr<support::vocabulary> make_vocabulary(const std::string& kind, const std::vector<std::string>& captions);

/// The pictures and captions of a folder, ready to train on.
class collection {
 public:
  /// Throws config_error naming captions.jsonl and the line whose caption holds a word that is not in the vocabulary.
  collection(const std::filesystem::path& folder, support::captioned_folder read, const support::vocabulary& words);

  index_t size() const { return static_cast<index_t>(items_.size()); }
  tf::image picture(index_t i) const;
  const tf::text& caption(index_t i) const { return captions_[static_cast<std::size_t>(i)]; }
  /// The tokens of the longest caption.
  index_t longest_caption() const;

  /// The documents of one step, a pure function of its number: every epoch in another order, each pair caption first or
  /// picture first.
  std::vector<tf::document> documents(index_t step, const settings& s) const;

 private:
  std::vector<support::captioned_image> items_;
  std::vector<tf::text> captions_;
};

}  // namespace folder
