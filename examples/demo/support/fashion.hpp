// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "support/idx.hpp"
#include "support/vocabulary.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/io.hpp"
#include "transfusion/model.hpp"
#include "transfusion/train.hpp"

/// Fashion-MNIST as captioned pictures: what the demo's programs share.
namespace fashion {

namespace tf = transfusion;
using tf::index_t;

/// The demo's model: the paper's, with the v target (steadier than ε in a run of minutes) and, for pictures that come
/// before their caption, a noise limit as in paper Table 8, at half its level.
struct recipe : tf::paper {
  using target = tf::target::v;
  using time_sampling = tf::time_sampling::limited<250>;
};

template <class Exec>
using model = tf::model<recipe, Exec>;
using config = tf::model_config<recipe>;

inline constexpr tf::image_shape picture_shape{1, 28, 28};
inline constexpr index_t classes = static_cast<index_t>(support::fashion_mnist_classes.size());

/// "a photo of an ankle boot".
std::string caption(index_t label);

/// The words of all captions.
support::word_vocabulary vocabulary();

/// The sizes of the demo's model.
config default_config();

/// Both halves of the data set, and its captions as tokens.
class data {
 public:
  /// Throws io_error or format_error naming the file.
  explicit data(const std::filesystem::path& folder);

  const support::labelled_images& train() const { return train_; }
  const support::labelled_images& test() const { return test_; }
  tf::image picture(const support::labelled_images& set, index_t i) const;
  tf::text words(index_t label) const { return captions_[static_cast<std::size_t>(label)]; }

  /// The training documents of one step: two thirds of the pairs caption first, the others picture first; some
  /// documents hold two pairs.
  std::vector<tf::document> documents(index_t step, index_t pairs, std::uint64_t seed) const;

 private:
  support::labelled_images train_, test_;
  std::vector<tf::text> captions_;
};

}  // namespace fashion
