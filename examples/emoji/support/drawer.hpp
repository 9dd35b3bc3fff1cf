// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "emoji/support/data.hpp"
#include "emoji/support/origin.hpp"
#include "emoji/support/settings.hpp"
#include "transfusion/codec/unet.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/io.hpp"
#include "transfusion/model.hpp"

namespace emoji {

/// The paper's model on latents, with the v target (steadier than ε in a run of minutes), the noise limit of paper
/// Table 8 for pictures that come before their name, and a solver that needs few steps.
struct linear_recipe : tf::paper {
  using target = tf::target::v;
  using time_sampling = tf::time_sampling::limited<500>;
  using solver = tf::solver::ddim;
};
/// The same with the paper's U-Net blocks around the transformer.
struct unet_recipe : linear_recipe {
  using codec = tf::codec::unet;
};

/// The words of all names and sentences.
support::word_vocabulary vocabulary_of(const data& d);

/// The emoji as the models see them: latents for pictures, tokens for names.
class corpus {
 public:
  /// latents: one an item. Both are kept by reference.
  corpus(const data& d, const std::vector<tf::image>& latents);

  const data& emoji() const { return *data_; }
  const support::word_vocabulary& words() const { return words_; }
  tf::image_shape latent_shape() const { return latents_->front().shape; }
  const tf::image& latent(index_t i) const { return (*latents_)[static_cast<std::size_t>(i)]; }
  tf::text name(index_t i) const { return {words_.encode(data_->at(i).name)}; }
  tf::text text(const std::string& words) const { return {words_.encode(words)}; }

  /// "i ate a [picture] and an [picture] : pizza and red apple"; `told`: with what comes after the second picture.
  tf::document sentence(index_t first, index_t second, bool told = true) const;
  /// The documents of a training step: nine tenths are pairs of name and picture, the name first in three of four; the
  /// others are sentences about two things of one verb. Nothing that is held out is in them.
  std::vector<tf::document> documents(index_t step, index_t count, std::uint64_t seed) const;

 private:
  const data* data_;
  const std::vector<tf::image>* latents_;
  support::word_vocabulary words_;
  std::vector<std::vector<index_t>> by_verb_;  ///< training items that one sentence may join
};

/// A trained model: what it is asked for, in latents.
template <class Recipe, class Exec>
class drawer {
 public:
  using model = tf::model<Recipe, Exec>;

  /// What the model is made from, with so many tokens.
  static tf::model_config<Recipe> sizes(index_t vocabulary, const settings& s);

  /// Trains and writes the stage's file, which names what it is of.
  static void train(Exec& e, const corpus& c, const origin& of, const settings& s, const stage& to);

  /// Reads the averaged weights. Throws format_error on a file that holds no such model.
  drawer(Exec& e, const corpus& c, const stage& from, const drawing& how);

  /// Latents of items drawn from their names.
  std::vector<tf::image> draw(const std::vector<index_t>& items) const;
  /// The likeliest name of each picture, word by word.
  std::vector<std::string> names(const std::vector<index_t>& items) const;
  /// log P(name | picture) of names for one picture each.
  std::vector<double> log_likelihoods(const std::vector<index_t>& pictures, const std::vector<index_t>& names) const;
  /// How the model ends documents that were begun; two more pictures at most.
  std::vector<tf::document> go_on(const std::vector<tf::document>& prompts, index_t pictures, double temperature) const;

 private:
  tf::generation_options options(index_t tokens, index_t pictures) const;

  const corpus* corpus_;
  drawing how_;
  mutable model model_;
};

}  // namespace emoji
