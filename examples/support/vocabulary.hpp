// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transfusion/core/types.hpp"

namespace support {
using transfusion::index_t;
using transfusion::token_t;

/// What `encode` does with a word that no training caption held: throw config_error naming it, or put <unknown>.
enum class unknown_words { reject, replace };

/// Text ↔ tokens. The special tokens come first and have the same ids in every vocabulary.
class vocabulary {
 public:
  static constexpr token_t bos = 0;      ///< begin of a document
  static constexpr token_t eos = 1;      ///< end of a document
  static constexpr token_t boi = 2;      ///< begin of an image
  static constexpr token_t eoi = 3;      ///< end of an image
  static constexpr token_t unknown = 4;  ///< a word that is not in the vocabulary
  static constexpr token_t specials = 5;

  virtual ~vocabulary() = default;

  /// V, the special tokens included.
  virtual index_t size() const = 0;
  /// The tokens of a text, without any special token but <unknown>.
  virtual std::vector<token_t> encode(std::string_view text, unknown_words rule = unknown_words::reject) const = 0;
  /// The text of tokens: BOS, EOS, BOI and EOI are left out. Throws config_error for an id outside [0, V).
  virtual std::string decode(std::span<const token_t> tokens) const = 0;
  /// The name of one token, special ones as "<boi>". Throws config_error for an id outside [0, V).
  virtual std::string name(token_t token) const = 0;
  /// One line of JSON, for a checkpoint's metadata.
  virtual std::string to_json() const = 0;

 protected:
  /// Throws config_error unless the token is one of this vocabulary.
  void require_token(token_t token) const;
};

/// The vocabulary that `to_json` wrote, of either kind. Throws format_error saying what is wrong with the text.
std::unique_ptr<vocabulary> vocabulary_from_json(std::string_view json);

/// Lower-cased words of captions, sorted, so that ids depend only on the set of words. A word is a run of letters,
/// digits and bytes above ASCII, with - and ' inside it; any other mark is a word of its own. Only ASCII is
/// lower-cased.
class word_vocabulary final : public vocabulary {
 public:
  explicit word_vocabulary(std::span<const std::string> captions);
  static word_vocabulary from_json(std::string_view json);

  index_t size() const override { return specials + static_cast<index_t>(words_.size()); }
  std::vector<token_t> encode(std::string_view text, unknown_words rule = unknown_words::reject) const override;
  std::string decode(std::span<const token_t> tokens) const override;
  std::string name(token_t token) const override;
  std::string to_json() const override;

  /// The words of a text as this vocabulary cuts it.
  static std::vector<std::string> split(std::string_view text);

 private:
  word_vocabulary() = default;
  void index();

  std::vector<std::string> words_;  // sorted; word i has id specials + i
  std::map<std::string, token_t, std::less<>> ids_;
};

/// The 256 bytes, byte b at specials + b: every text can be written, none is unknown.
class byte_vocabulary final : public vocabulary {
 public:
  static byte_vocabulary from_json(std::string_view json);

  index_t size() const override { return specials + 256; }
  std::vector<token_t> encode(std::string_view text, unknown_words rule = unknown_words::reject) const override;
  std::string decode(std::span<const token_t> tokens) const override;
  std::string name(token_t token) const override;
  std::string to_json() const override;
};

}  // namespace support
