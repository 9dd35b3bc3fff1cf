// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "scenes/support/scene.hpp"
#include "transfusion/sequence/document.hpp"

namespace scenes {

/// An object that was found in a picture, with what speaks for it, each from 0 to 1.
struct sighting {
  object what;
  double shape_match = 0;  ///< correlation of its opacity with that of the shape drawn in its place
  double colour_match =
      0;  ///< 1 at the very colour, 0 at the next one, at the ground, or where another colour is in it

  /// Whether both are high enough: what is cut, filled with two colours or stuck to another object is not.
  bool certain() const;
};

/// Finds objects in an RGB picture, from its pixels alone: what stands out of the ground, in pieces that hang together
/// and are of one colour; the colour whose mixture with the ground explains a piece best; the shape, place and size
/// whose opacity does. Specks of less than 1/250 of the picture are passed over. Throws shape_error unless the picture
/// is [3, side, side] with a side of 16 or more, numeric_error at a value that is not finite.
std::vector<sighting> find_objects(const tf::image& picture);

/// Objects and ground of a picture in which every object is certain; nothing where one is not.
std::optional<scene> read_scene(const tf::image& picture);

}  // namespace scenes
