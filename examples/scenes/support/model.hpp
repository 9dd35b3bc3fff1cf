// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "scenes/support/generate.hpp"
#include "support/device.hpp"
#include "support/training.hpp"
#include "support/vocabulary.hpp"
#include "transfusion/diffusion/target/v.hpp"
#include "transfusion/model.hpp"

// A model that draws scenes from captions and captions scenes.
namespace scenes {

/// The paper's model with the v target, steadier than ε in a run of minutes.
struct recipe : tf::paper {
  using target = tf::target::v;
};

template <class Exec>
using model = tf::model<recipe, Exec>;

/// The words of every caption that there is, those of held-out prompts too.
const support::word_vocabulary& vocabulary();

/// "a red circle" as tokens.
tf::text tokens(const prompt& p);

/// The documents of a training step: one scene with its caption each, four fifths of them caption first (paper §4.1). A
/// pure function of its arguments; nothing of what is held out is in them.
std::vector<tf::document> training_documents(index_t step, index_t count, index_t side, std::uint64_t seed);

/// How to train.
struct training_settings : support::run_settings {
  index_t side = 32;  ///< pixels a side of a scene
  std::uint64_t seed = 1;

  void add_to(CLI::App& app);
  tf::model_config<recipe> sizes() const;
};

/// Trains, writing the checkpoint and `log` (CSV), and leaves the averaged weights in the checkpoint's file. Throws
/// config_error where a resumed run has no step left.
template <class Exec>
support::training_summary train(Exec& e, const training_settings& how, const std::filesystem::path& checkpoint,
                                const std::filesystem::path& log);

/// "900 steps, 28800 scenes, 0.88 M parameters, ...": a run in one line.
std::string in_words(const support::training_summary& done);

/// A trained model with its averaged weights, and the side of its scenes.
template <class Exec>
struct trained {
  model<Exec> drawer;
  index_t side;
};

/// What a checkpoint's metadata says of the side of the scenes.
std::map<std::string, std::string> metadata_of(index_t side);

/// Reads a model of so many tokens back. Throws format_error on a file that holds no such model.
template <class Exec>
trained<Exec> load(Exec& e, const std::filesystem::path& checkpoint, index_t words = vocabulary().size());

}  // namespace scenes
