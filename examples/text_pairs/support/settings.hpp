// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/device.hpp"
#include "support/vocabulary.hpp"
#include "text_pairs/support/corpus.hpp"

namespace text_pairs {

/// What the program is told.
struct settings {
  std::string corpus_name = "bible";  ///< or wordnet
  std::vector<std::string> text;      ///< the user's files; empty: the corpus
  std::string tokenizer = "bytes";    ///< or sentencepiece
  index_t pieces = 1000;              ///< that SentencePiece learns
  std::string tokenizer_model;        ///< of SentencePiece; empty: learnt from the text
  support::device_settings device;
  std::string out = "text_pairs";
  bool quick = false;
  index_t seeds = 1;
  index_t steps = 6000;
  index_t text_rows = 2048;  ///< rows of text a step: the budget of the run on text alone
  double pair_share = 1;     ///< rows of pairs for each row of text in the mixture
  double rate = 1e-3;
  index_t layers = 4, width = 192, heads = 6, patch = 4;
  index_t read = 400000;  ///< bytes of held-out text that are measured
  index_t read_pairs = 256;
  int image_steps = 50;
  double guidance = 3;

  void add_to(CLI::App& app);

  /// The rows of a step of the mixture.
  index_t mixture_rows() const;

  corpus load() const;
  /// The tokenizer; one that is learnt is kept in the folder of results and read from there the next time. Throws what
  /// reading throws, config_error where the kept one has another number of pieces, and what `require_utf8` throws.
  std::unique_ptr<support::vocabulary> make_tokenizer(const corpus& c) const;
  /// What results depend on.
  nlohmann::json of_results(const corpus& c, const support::vocabulary& tokenizer) const;
};

}  // namespace text_pairs
