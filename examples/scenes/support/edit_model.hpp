// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "scenes/support/edit.hpp"
#include "scenes/support/model.hpp"

// A model of scenes that has learnt to edit them too, from pictures before and after with the instruction between them
// (paper §4.5).
namespace scenes {

inline constexpr index_t most_examples = 8000;  ///< as many as the paper's

/// The tokens of captions as they are, those of the words that are in instructions alone, and one that fills up.
index_t edit_vocabulary_size();

/// "make the circle blue" as tokens, as many for every edit.
tf::text tokens(const edit& e);

/// What a model is asked with: the picture before, read clean, and the instruction.
tf::document edit_prompt(const scene& before, const edit& asked, index_t side);

/// How to fine-tune.
struct edit_training {
  index_t examples = most_examples;  ///< different edits
  double epochs = 4;
  index_t batch = 16;  ///< edits a step
  double rate = 2e-3;
  double text_dropout = 0.05;     ///< share that is learnt without the instruction, for the scale of its guidance
  double context_dropout = 0.05;  ///< share that is learnt without the picture before as well
  std::uint64_t seed = 1;
  bool resume = false;

  void add_to(CLI::App& app);
  /// Optimiser steps in all. Throws config_error naming the option that is outside its range.
  index_t steps() const;
};

/// The documents of a step: picture before, instruction, picture after. Every epoch has all examples in an order of its
/// own. A pure function of its arguments; nothing of what is held out is in them.
std::vector<tf::document> edit_documents(index_t step, const edit_training& how, index_t side);

/// Fine-tunes the model of `base`, writing the checkpoint and `log` (CSV). Its tokens and sizes stay; the rows of the
/// words that it does not know are new. Throws config_error where there is no base, an option is outside its range, or
/// a resumed run has no step left, format_error where the base is no model of scenes.
template <class Exec>
support::training_summary fine_tune(Exec& e, const std::filesystem::path& base, const edit_training& how,
                                    const std::filesystem::path& checkpoint, const std::filesystem::path& log);

}  // namespace scenes
