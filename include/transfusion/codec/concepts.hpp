// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <span>
#include <string>

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"
#include "transfusion/core/image.hpp"

namespace transfusion {

/// The images of one modality in one pass, at whatever noise they have, as a codec reads them. On the device, but for
/// `shapes`.
template <class Exec>
struct image_batch {
  using real = typename Exec::real;

  view<const real, 1> values;             ///< flat [C, Z, H, W] images x_t, those of other modalities too
  view<const image_place, 1> places;      ///< [I]
  view<const real, 1> times;              ///< [I], in steps of 1/1000
  view<const token_t, 1> image_of_patch;  ///< [P]
  std::span<const image_place> shapes;    ///< the places once more, on the host

  index_t patches() const { return image_of_patch.size(); }
};

/// What a codec's encoder hands to the trunk, and what it keeps for its decoder.
template <class Exec, class Skip>
struct encoded_images {
  var<Exec> tokens;  ///< [P, D]
  Skip skip;
};

/// For codecs whose decoder needs nothing but the trunk's output.
struct no_skip {};

/// A codec turns noised images into rows for the trunk and the trunk's rows into a prediction:
///   struct my_codec {
///     struct options { ... };              // run-time sizes; with members: visit_fields, as in linear_patch.hpp
///     static patch_grid grid(image_shape, const options&);                          // throws shape_error
///     template <class Exec> struct layer {
///       layer(parameter_set<Exec>&, const std::string& name, const options&, index_t width);
///           // may take `bool tells_time` as well: false where the variant tells rows their timestep elsewhere
///       encoded_images<Exec, Skip> encode(tape<Exec>&, const image_batch<Exec>&) const;
///       var<Exec> decode(tape<Exec>&, var<Exec> hidden, const Skip&, const image_batch<Exec>&) const;   // [1, all
///       values]
///     };
///   };
template <class Codec, class Exec>
concept modality_codec = requires(image_shape shape, const typename Codec::options& options, parameter_set<Exec>& set,
                                  tape<Exec>& tape, const image_batch<Exec>& images, var<Exec> hidden,
                                  const typename Codec::template layer<Exec>& layer) {
  { Codec::grid(shape, options) } -> std::same_as<patch_grid>;
  typename Codec::template layer<Exec>;
  { layer.encode(tape, images).tokens } -> std::convertible_to<var<Exec>>;
  { layer.decode(tape, hidden, layer.encode(tape, images).skip, images) } -> std::same_as<var<Exec>>;
};

}  // namespace transfusion
