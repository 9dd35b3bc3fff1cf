// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {
namespace detail {

/// Calls f(patch row, column, value) for every run of p.width values that is contiguous in both layouts, images in
/// parallel.
template <class F>
void each_patch_run(const cpu_team& team, view<const image_place, 1> images, patch_shape p, const F& f) {
  const auto one_image = [&](const image_place& image) {
    const image_shape s = image.shape;
    const index_t down = s.height / p.height, across = s.width / p.width;
    for (index_t c = 0; c < s.channels; ++c)
      for (index_t z = 0; z < s.depth; ++z)
        for (index_t y = 0; y < s.height; ++y) {
          const index_t row = image.first_patch + (z / p.depth * down + y / p.height) * across;
          const index_t col = ((c * p.depth + z % p.depth) * p.height + y % p.height) * p.width;
          const index_t value = image.first_value + ((c * s.depth + z) * s.height + y) * s.width;
          for (index_t i = 0; i < across; ++i) f(row + i, col, value + i * p.width);
        }
  };
  const index_t weight = images.size() > 0 ? images[0].shape.size() : 1;
  team.run_pieces(images.size(), weight, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) one_image(images[i]);
  });
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::patchify(matrix patches, const_vector values, images places, patch_shape patch) {
  detail::each_patch_run(team_, places, patch, [&](index_t row, index_t col, index_t value) {
    std::copy_n(values.data + value, patch.width, patches.row(row) + col);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::unpatchify(vector values, const_matrix patches, images places, patch_shape patch) {
  detail::each_patch_run(team_, places, patch, [&](index_t row, index_t col, index_t value) {
    std::copy_n(patches.row(row) + col, patch.width, values.data + value);
  });
}

template <class Scalar>
void cpu_exec<Scalar>::unpatchify_backward(sink dpatches, const_vector dvalues, images places, patch_shape patch) {
  detail::each_patch_run(team_, places, patch, [&](index_t row, index_t col, index_t value) {
    Scalar* to = dpatches.into.row(row) + col;
    const Scalar* from = dvalues.data + value;
    for (index_t i = 0; i < patch.width; ++i) to[i] = dpatches.add ? to[i] + from[i] : from[i];
  });
}

template <class Scalar>
void cpu_exec<Scalar>::mix(vector out, const_vector a, const_vector b, const_matrix coefficients, images places) {
  const index_t weight = places.size() > 0 ? places[0].shape.size() : 1;
  team_.run_pieces(places.size(), weight, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) {
      const index_t at = places[i].first_value, count = places[i].shape.size();
      const auto first = detail::all(coefficients(i, 0)), second = detail::all(coefficients(i, 1));
      detail::transform(
          count, out.data + at, [&](auto u, auto v) { return first * u + second * v; }, a.data + at, b.data + at);
    }
  });
}

template <class Scalar>
void cpu_exec<Scalar>::clamp(vector x, double low, double high) {
  const Scalar least = static_cast<Scalar>(low), most = static_cast<Scalar>(high);
  team_.run_pieces(x.size(), 1, [&](index_t begin, index_t end) {
    // Written as selections, so that what is not a number stays visible.
    for (index_t i = begin; i < end; ++i) {
      const Scalar v = x[i] < least ? least : x[i];
      x[i] = v > most ? most : v;
    }
  });
}

}  // namespace transfusion
