// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/core/image.hpp"
#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/kernels/lanes.cuh"
#include "transfusion/cuda/launch.cuh"

// Numbers of whole images: sums over an image's values, in double, cut into slices that are then added in order.
namespace transfusion::cuda {

inline constexpr int image_sum_threads = 256;

/// Slices an image is cut into, from the shapes alone: one for each 8192 values of the mean image, 32 at the most.
constexpr index_t image_slices(index_t values, index_t images) {
  return std::clamp<index_t>(ceil_div(ceil_div(values, images), 8192), 1, 32);
}

/// partial [images, slices, Terms::count]. Slice blockIdx.x of an image: every slices-th stretch of it.
/// Grid: (slices, images).
template <int Lanes, class Terms>
__global__ void __launch_bounds__(image_sum_threads)
    image_sums_kernel(double* partial, Terms terms, const image_place* places, index_t images) {
  const index_t stride = static_cast<index_t>(gridDim.x) * image_sum_threads;
  const index_t thread = static_cast<index_t>(blockIdx.x) * image_sum_threads + threadIdx.x;
  for (index_t i = blockIdx.y; i < images; i += gridDim.y) {
    const index_t first = places[i].first_value, size = places[i].shape.size();
    const index_t packs = first % Lanes == 0 ? size / Lanes : 0;
    double sums[Terms::count] = {};
    if (size > 0) {
      const auto origin = terms.origin(first);
      for (index_t p = thread; p < packs; p += stride) terms.template add<Lanes>(sums, first + p * Lanes, origin);
      for (index_t e = packs * Lanes + thread; e < size; e += stride) terms.template add<1>(sums, first + e, origin);
    }
#pragma unroll
    for (int k = 0; k < Terms::count; ++k) {
      const double sum = block_sum<image_sum_threads>(sums[k]);
      if (threadIdx.x == 0) partial[(i * gridDim.x + blockIdx.x) * Terms::count + k] = sum;
    }
  }
}

/// terms.finish(i, values of image i, its sums). One thread an image.
template <class Terms>
__global__ void finish_images_kernel(const double* partial, Terms terms, index_t slices, const image_place* places,
                                     index_t images) {
  const index_t i = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= images) return;
  double sums[Terms::count] = {};
  for (index_t s = 0; s < slices; ++s)
#pragma unroll
    for (int k = 0; k < Terms::count; ++k) sums[k] += partial[(i * slices + s) * Terms::count + k];
  terms.finish(i, static_cast<double>(places[i].shape.size()), sums);
}

/// `values`: of all images together; partial: images * slices * Terms::count numbers.
template <class Terms>
void add_images(detail::cuda_context& c, double* partial, index_t slices, view<const image_place, 1> places,
                bool packed, const Terms& terms) {
  const index_t images = places.size();
  const dim3 grid(static_cast<unsigned>(slices), static_cast<unsigned>(std::min<index_t>(images, 65535)));
  launch(c, packed ? image_sums_kernel<Terms::lanes, Terms> : image_sums_kernel<1, Terms>, grid,
         dim3(image_sum_threads), 0, partial, terms, places.data, images);
  launch(c, finish_images_kernel<Terms>, dim3(static_cast<unsigned>(ceil_div(images, 128))), dim3(128), 0, partial,
         terms, slices, places.data, images);
}

}  // namespace transfusion::cuda
