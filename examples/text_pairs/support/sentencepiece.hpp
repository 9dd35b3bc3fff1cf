// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/vocabulary.hpp"
#include "text_pairs/support/corpus.hpp"

namespace text_pairs {

/// Pieces of words, learnt from a corpus (Kudo & Richardson 2018); piece i is token `specials` + i. Built where the
/// library is found (TRANSFUSION_HAS_SENTENCEPIECE); elsewhere making one throws config_error with the package's name.
class sentencepiece_vocabulary final : public support::vocabulary {
 public:
  /// From the bytes of a model file. Throws format_error naming `where` on others.
  sentencepiece_vocabulary(const std::string& model, const std::string& where);
  ~sentencepiece_vocabulary() override;

  /// A model file of so many pieces, learnt from the lines of passages. Any text can be written with them, and every
  /// blank is kept: `decode(encode(text))` is the text. Throws config_error where the passages do not give that many.
  static std::string learn(const std::vector<passage>& passages, index_t pieces);

  index_t size() const override;
  std::vector<support::token_t> encode(std::string_view text, support::unknown_words rule = {}) const override;
  std::string decode(std::span<const support::token_t> tokens) const override;
  std::string name(support::token_t token) const override;
  /// The number of pieces and a checksum of the model: another model is told from this one.
  std::string to_json() const override;

 private:
  struct pieces;

  std::unique_ptr<pieces> pieces_;
};

}  // namespace text_pairs
