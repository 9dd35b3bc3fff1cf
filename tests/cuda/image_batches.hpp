// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iterator>
#include <vector>

#include "cuda/device_array.hpp"
#include "transfusion/core/image.hpp"
#include "transfusion/cuda/memory.cuh"

// What the tests of operations on images share.
namespace cuda_tests {

/// Images of a batch, for both. `gap` values are left free before each.
template <class Exec>
class device_images {
 public:
  device_images(Exec& exec, const std::vector<image_shape>& shapes, patch_shape patch, index_t gap = 0)
      : memory_(exec, std::ssize(shapes)) {
    for (const image_shape& s : shapes) {
      values_ += gap;
      places_.push_back({values_, patches_, s});
      values_ += s.size();
      patches_ += s.size() / (s.channels * patch.size());
    }
    exec.upload(memory_.all().data, places_.data(), places_.size() * sizeof(image_place));
  }
  view<const image_place, 1> device() const { return memory_.all(); }
  view<const image_place, 1> host() const { return {places_.data(), std::ssize(places_)}; }
  index_t values() const { return values_; }
  index_t patches() const { return patches_; }

 private:
  buffer<Exec, image_place> memory_;
  std::vector<image_place> places_;
  index_t values_ = 0, patches_ = 0;
};

inline std::vector<image_shape> random_shapes(draws& d, index_t images, index_t channels, patch_shape patch) {
  std::vector<image_shape> shapes;
  for (index_t i = 0; i < images; ++i)
    shapes.push_back({channels, patch.height * d.pick({1, 2, 3, 8}), patch.width * d.pick({1, 3, 4, 14}),
                      patch.depth * (patch.depth > 1 ? d.pick({1, 2, 3}) : 1)});
  return shapes;
}

/// Squares, and windows of signals, images and volumes.
inline constexpr patch_shape patch_kinds[] = {{1, 1}, {2, 2}, {3, 3},    {4, 4},   {8, 8},
                                              {1, 4}, {3, 2}, {2, 4, 3}, {1, 1, 2}};

/// Calls f(exec, reference, images, channels, patch, offset, draws) for batches of no, one and many images, of patches
/// that take packs of 1, 2, 4 and 8, of images that begin between packs, and of arrays that do.
template <class Scalar, class F>
void for_batches(F f) {
  cuda_exec<Scalar> exec;
  reference_exec<double> reference;
  unsigned seed = 0;
  for (index_t images : {0, 1, 2, 30})
    for (patch_shape patch : patch_kinds)
      for (index_t gap : {0, 1})
        for (index_t offset : {0, 1}) {
          draws d(++seed);
          const index_t channels = d.pick({1, 3, 4});
          const device_images<cuda_exec<Scalar>> places(exec, random_shapes(d, images, channels, patch), patch, gap);
          f(exec, reference, places, channels, patch, offset, d);
        }
}

}  // namespace cuda_tests
