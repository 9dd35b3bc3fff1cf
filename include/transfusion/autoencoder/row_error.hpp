// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "transfusion/autograd/op/pointwise_error.hpp"

namespace transfusion {

/// [I], on the device: so much of a weight for each of `images` images that it is one of their mean.
template <class Exec>
view<const typename Exec::real, 1> in_mean_over(tape<Exec>& tape, index_t images, double weight) {
  using real = typename Exec::real;
  auto weights = tape.template list<real>(images);
  for (index_t i = 0; i < images; ++i) weights.push_back(static_cast<real>(weight / static_cast<double>(images)));
  return tape.upload(weights);
}

/// A variable's numbers in `real`, as a target.
template <class Exec>
view<const typename Exec::real, 1> in_real(tape<Exec>& tape, var<Exec> x) {
  const auto wide = tape.saved_real(x.rows(), x.cols()).flat();
  tape.exec().widen(wide, x.value().flat());
  return wide;
}

/// pointwise_error of rows [R, C] that belong to images, so many to each, one behind the other: an image's error is a
/// mean over its rows, and the loss `weight` times the mean over images. A root; result: [I], unweighted.
template <class Exec>
view<typename Exec::real, 1> row_error(tape<Exec>& tape, error_kind kind, var<Exec> rows,
                                       view<const typename Exec::real, 1> target,
                                       std::span<const index_t> rows_of_image, double weight) {
  const auto images = static_cast<index_t>(rows_of_image.size());
  auto places = tape.template list<image_place>(images);
  index_t row = 0;
  for (index_t n : rows_of_image) {
    places.push_back({row * rows.cols(), row, {rows.cols(), 1, n}});
    row += n;
  }
  return pointwise_error(tape, kind, rows, target, tape.upload(places), in_mean_over(tape, images, weight));
}

}  // namespace transfusion
