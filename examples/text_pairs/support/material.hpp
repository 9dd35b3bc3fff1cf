// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "scenes/support/prompt.hpp"
#include "text_pairs/support/settings.hpp"
#include "transfusion/sequence/document.hpp"
#include "transfusion/train/document_source.hpp"
#include "transfusion/train/token_mixture.hpp"

namespace text_pairs {

/// Text that is measured: a held-out passage in pieces as long as a run on text alone reads them.
struct held_out_passage {
  index_t bytes = 0;
  std::vector<tf::document> pieces;
};

/// What both runs are trained on and measured with: a corpus as tokens, and captioned scenes without end.
class material {
 public:
  static constexpr index_t side = 32;  ///< pixels of a scene

  /// Throws config_error, before anything is trained, where the longest pair does not fit into the mixture's budget, or
  /// the budget holds no piece of text; shape_error where the scenes cannot be cut into patches.
  material(const corpus& c, std::unique_ptr<support::vocabulary> tokenizer, const settings& s);

  const support::vocabulary& words() const { return *words_; }
  const std::string& name() const { return name_; }
  index_t train_bytes() const { return train_bytes_; }
  index_t train_tokens() const { return train_tokens_; }
  index_t longest_pair() const { return longest_pair_; }
  const std::vector<held_out_passage>& held_out() const { return held_out_; }

  /// The batches of a run: text alone, or text and pairs. In both the text is the same in the same order.
  tf::token_mixture batches(bool with_pairs, std::uint64_t seed) const;

  /// Scenes after their captions that no run has seen.
  std::vector<tf::document> held_out_pairs() const;
  /// What is drawn to be looked at.
  std::vector<scenes::prompt> to_draw() const;
  tf::text tokens(std::string_view text) const { return {words_->encode(text)}; }

 private:
  std::string name_;
  std::unique_ptr<support::vocabulary> words_;
  index_t text_rows_, mixture_rows_, patch_, read_pairs_;
  double pair_share_;
  index_t train_bytes_ = 0, train_tokens_ = 0, longest_pair_ = 0;
  std::vector<tf::text> train_;
  std::vector<held_out_passage> held_out_;
};

}  // namespace text_pairs
