// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/model.hpp"

namespace folder {

namespace tf = transfusion;

/// The paper's recipe with the v target (steadier than ε in a run of minutes) and, for pictures that come before their
/// caption, the noise limit of paper Table 8.
struct recipe : tf::paper {
  using target = tf::target::v;
  using time_sampling = tf::time_sampling::limited<500>;
};

template <class Exec>
using model = tf::model<recipe, Exec>;

/// What a checkpoint's metadata calls the parts that the model does not know of.
namespace metadata {
inline constexpr const char* vocabulary = "vocabulary";
inline constexpr const char* settings = "folder.settings";
inline constexpr const char* pictures = "folder.pictures";
inline constexpr const char* longest_caption = "folder.longest_caption";
}  // namespace metadata

}  // namespace folder
