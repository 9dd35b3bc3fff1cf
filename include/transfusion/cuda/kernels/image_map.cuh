// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/core/image.hpp"
#include "transfusion/cuda/kernels/map.cuh"

namespace transfusion::cuda {

/// map.at<N>(image, place, e) for every value e of every image, in packs where the image begins at a whole pack.
/// Grid: (blocks of one image, images).
template <int Lanes, class Map>
__global__ void __launch_bounds__(map_threads) map_images_kernel(const image_place* places, index_t images, Map map) {
  const index_t stride = static_cast<index_t>(gridDim.x) * blockDim.x;
  const index_t thread = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (index_t i = blockIdx.y; i < images; i += gridDim.y) {
    const image_place place = places[i];
    const index_t size = place.shape.size(), packs = place.first_value % Lanes == 0 ? size / Lanes : 0;
    for (index_t p = thread; p < packs; p += stride) map.template at<Lanes>(i, place, p * Lanes);
#pragma unroll 1
    for (index_t e = packs * Lanes + thread; e < size; e += stride) map.template at<1>(i, place, e);
  }
}

/// `values`: of all images together. Only the device knows where each image lies, so every image gets as many blocks
/// as the mean one needs.
template <class Map>
void map_images(detail::cuda_context& c, index_t values, view<const image_place, 1> places, bool packed,
                const Map& map) {
  constexpr int lanes = Map::lanes;
  const index_t images = places.size(), rows = std::min<index_t>(images, 65535);
  if (values == 0 || images == 0) return;
  const index_t mean = ceil_div(values, images), needed = ceil_div(mean, map_threads * (packed ? lanes : 1));
  const index_t enough = std::max<index_t>(1, index_t{8} * c.multiprocessors / rows);
  const dim3 grid(static_cast<unsigned>(std::min(needed, enough)), static_cast<unsigned>(rows));
  if (packed)
    launch(c, map_images_kernel<lanes, Map>, grid, dim3(map_threads), 0, places.data, images, map);
  else
    launch(c, map_images_kernel<1, Map>, grid, dim3(map_threads), 0, places.data, images, map);
}

}  // namespace transfusion::cuda
