// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "transfusion/autoencoder/options.hpp"
#include "transfusion/autograd/op/patchify.hpp"
#include "transfusion/layer/pixel_pyramid.hpp"
#include "transfusion/sequence/document.hpp"

namespace transfusion {

/// Images of one pass, as rows of pixels and as they are stored; on the device, but for `shapes`. Alive until the
/// tape's reset.
template <class Exec>
struct pixel_batch {
  using real = typename Exec::real;

  std::span<const image_place> shapes;  ///< where each lies in `values` and, pixel by pixel, in `rows`
  view<const image_place, 1> places;    ///< [I]; the same on the device
  view<const real, 1> values;           ///< flat [C, Z, H, W] images
  std::span<const pixel_level> levels;  ///< finest first
  var<Exec> rows;                       ///< [N, C]; a constant

  index_t images() const { return static_cast<index_t>(shapes.size()); }
  index_t pixels() const { return levels.front().rows(); }
};

/// The places of images of these shapes, one behind the other.
template <class Exec>
std::span<const image_place> places_of(tape<Exec>& tape, std::span<const image_shape> shapes) {
  auto places = tape.template list<image_place>(static_cast<index_t>(shapes.size()));
  index_t values = 0, pixels = 0;
  for (const image_shape& s : shapes) {
    places.push_back({values, pixels, s});
    values += s.size();
    pixels += s.size() / s.channels;
  }
  return {places.data(), static_cast<std::size_t>(places.size())};
}

/// A pass over images of these places whose values lie on the device. `pyramid`: that of whoever reads the rows.
template <class Exec>
pixel_batch<Exec> pixel_rows(tape<Exec>& tape, pixel_pyramid& pyramid, std::span<const image_place> places,
                             view<const typename Exec::real, 1> values) {
  pixel_batch<Exec> x{places, tape.upload(places), values, pyramid.build(tape, places), {}};
  x.rows = patchify(tape, values, x.places, x.pixels(), {}, places.front().shape.channels);
  return x;
}

/// Puts images on the device. Throws config_error on none, shape_error on one that does not fit the autoencoder or has
/// not as many values as its shape says; nothing has been done then.
template <class Exec>
pixel_batch<Exec> upload_images(tape<Exec>& tape, pixel_pyramid& pyramid, std::span<const image> images,
                                const autoencoder_options& options) {
  using real = typename Exec::real;
  require<config_error>(!images.empty(), "autoencoder: found no images, expected one at least");
  auto shapes = tape.template list<image_shape>(static_cast<index_t>(images.size()));
  index_t count = 0;
  for (const image& i : images) {
    latent_shape(i.shape, options);
    require_extent("autoencoder: image values", static_cast<index_t>(i.values.size()), i.shape.size());
    shapes.push_back(i.shape);
    count += i.shape.size();
  }
  auto values = tape.template list<real>(count);
  for (const image& i : images)
    for (float v : i.values) values.push_back(static_cast<real>(v));
  return pixel_rows(tape, pyramid, places_of(tape, {shapes.data(), images.size()}), tape.upload(values));
}

}  // namespace transfusion
