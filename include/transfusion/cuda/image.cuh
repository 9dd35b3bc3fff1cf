// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "transfusion/cuda/kernels/image_map.cuh"
#include "transfusion/cuda/kernels/patch_index.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

/// Images to rows of patches, in the order of the rows: writes are whole, neighbouring reads share their lines.
/// From: what the values are. Packs of at most `Lanes` neighbours; Lanes divides patch.width.
template <class T, class From, int Lanes>
struct to_patches_map {
  static constexpr int lanes = Lanes;
  T* patches;
  bool add;
  const From* values;
  patch_shape patch;

  template <int N>
  __device__ void at(index_t, const image_place& place, index_t e) const {
    const index_t width = place.shape.channels * patch.size();
    const index_t from = place.first_value + (counts_in_32_bits(place.shape) ? value<std::uint32_t>(place, e, width)
                                                                             : value<index_t>(place, e, width));
    float v[N];
    read_lanes(v, values + from);
    put_lanes(patches + place.first_patch * width + e, add, v);
  }

 private:
  template <class Int>
  __device__ index_t value(const image_place& place, index_t e, index_t width) const {
    const Int cell = static_cast<Int>(e), cols = static_cast<Int>(width);
    return static_cast<index_t>(patch_index<Int>(place.shape, patch).value(cell / cols, cell % cols));
  }
};

/// Rows of patches to images, in the order of the values.
template <class T, int Lanes>
struct from_patches_map {
  static constexpr int lanes = Lanes;
  T* values;
  const T* patches;
  patch_shape patch;

  template <int N>
  __device__ void at(index_t, const image_place& place, index_t e) const {
    const index_t from = counts_in_32_bits(place.shape) ? cell<std::uint32_t>(place, e) : cell<index_t>(place, e);
    copy_lanes<N>(values + place.first_value + e, patches + from);
  }

 private:
  template <class Int>
  __device__ index_t cell(const image_place& place, index_t e) const {
    const patch_cell<Int> c = patch_index<Int>(place.shape, patch).cell(static_cast<Int>(e));
    const index_t row = place.first_patch + static_cast<index_t>(c.row);
    return row * (place.shape.channels * patch.size()) + static_cast<index_t>(c.col);
  }
};

/// out = c[i][0] * a + c[i][1] * b for image i; out may be a or b.
struct mix_map {
  static constexpr int lanes = 4;
  float* out;
  const float *a, *b, *coefficients;

  template <int N>
  __device__ void at(index_t i, const image_place& place, index_t e) const {
    const index_t at = place.first_value + e;
    const float p = coefficients[2 * i], q = coefficients[2 * i + 1];
    float u[N], v[N];
    read_lanes(u, a + at);
    read_lanes(v, b + at);
#pragma unroll
    for (int k = 0; k < N; ++k) u[k] = p * u[k] + q * v[k];
    write_lanes(out + at, u);
  }
};

/// What is no number stays so.
struct clamp_map {
  static constexpr int lanes = 4;
  float* x;
  float low, high;

  template <int N>
  __device__ void at(index_t i) const {
    float v[N];
    read_lanes(v, x + i);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      if (v[k] < low) v[k] = low;
      if (v[k] > high) v[k] = high;
    }
    write_lanes(x + i, v);
  }
};

/// Calls f with the widest pack, at most a whole one of T, that the width of the patches and both addresses allow.
template <class T, class A, class B, class F>
void with_patch_lanes(index_t width, const A* a, const B* b, F f) {
  if constexpr (lanes_of<T> >= 8)
    if (width % 8 == 0 && packs_fit<8>(a, b)) return f(std::integral_constant<int, 8>());
  if (width % 4 == 0 && packs_fit<4>(a, b)) return f(std::integral_constant<int, 4>());
  if (width % 2 == 0 && packs_fit<2>(a, b)) return f(std::integral_constant<int, 2>());
  f(std::integral_constant<int, 1>());
}

template <class T, class From>
void to_patches(detail::cuda_context& c, T* patches, bool add, view<const From, 1> values,
                view<const image_place, 1> places, patch_shape patch) {
  with_patch_lanes<T>(patch.width, patches, values.data, [&](auto lanes) {
    map_images(c, values.size(), places, true,
               to_patches_map<T, From, decltype(lanes)::value>{patches, add, values.data, patch});
  });
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::patchify(matrix patches, const_real_vector values, images places, patch_shape patch) {
  cuda::to_patches(*context_, patches.data, false, values, places, patch);
}

template <class Scalar>
void cuda_exec<Scalar>::unpatchify(vector values, const_matrix patches, images places, patch_shape patch) {
  cuda::with_patch_lanes<Scalar>(patch.width, values.data, patches.data, [&](auto lanes) {
    cuda::map_images(*context_, values.size(), places, true,
                     cuda::from_patches_map<Scalar, decltype(lanes)::value>{values.data, patches.data, patch});
  });
}

template <class Scalar>
void cuda_exec<Scalar>::unpatchify_backward(sink dpatches, const_vector dvalues, images places, patch_shape patch) {
  if (!dpatches) return;
  cuda::to_patches(*context_, dpatches.into.data, dpatches.add, dvalues, places, patch);
}

template <class Scalar>
void cuda_exec<Scalar>::mix(real_vector out, const_real_vector a, const_real_vector b, const_real_matrix coefficients,
                            images places) {
  cuda::map_images(*context_, out.size(), places, cuda::packs_fit<4>(out.data, a.data, b.data),
                   cuda::mix_map{out.data, a.data, b.data, coefficients.data});
}

template <class Scalar>
void cuda_exec<Scalar>::clamp(real_vector x, double low, double high) {
  cuda::map_all(*context_, x.size(), cuda::packs_fit<4>(x.data),
                cuda::clamp_map{x.data, static_cast<float>(low), static_cast<float>(high)});
}

}  // namespace transfusion
