// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "parity/support/result.hpp"
#include "scenes/support/draw.hpp"
#include "scenes/support/generate.hpp"
#include "scenes/support/score.hpp"
#include "transfusion/sequence/document.hpp"

namespace parity {

struct coder;

/// Scene `number` of those that nobody is trained on; of the same kinds as those of training.
scenes::captioned_scene held_out(const settings& s, index_t number);

/// Training scenes first, first + 1, … as pictures.
std::vector<tf::image> training_pictures(const settings& s, index_t first, index_t count);

/// Training prompt `number` of one object, without a colour and with one in turn: what the score is drawn from.
scenes::prompt single_prompt(index_t number);
/// The first of those with a colour: what is kept to be shown.
std::vector<scenes::prompt> shown_prompts();

/// How likely each caption is among the training scenes: worked out from how they are drawn.
std::map<std::string, double> caption_shares();

/// A scene with what either family reads of it.
struct encoded_scene {
  scenes::captioned_scene shown;
  tf::text caption;
  tf::image latent, codes;

  const tf::image& item(family who) const { return who == family::transfusion ? latent : codes; }
};

/// The scenes of all trainings, encoded once.
class corpus {
 public:
  /// Draws and encodes them, with a progress bar.
  corpus(const settings& s, const coder& vae, const coder& vq);

  /// The documents of a training step: a scene with its caption each, four fifths of them caption first (paper §4.1).
  /// Every training sees the same scenes in the same order.
  std::vector<tf::document> documents(family who, index_t step) const;

  const std::vector<encoded_scene>& held_out() const { return held_out_; }
  /// Ten captions: that of held-out scene i, and nine others that are not true of it.
  std::vector<tf::text> candidates(index_t i) const;

 private:
  const settings* set_;
  std::vector<encoded_scene> training_, held_out_;
};

}  // namespace parity
