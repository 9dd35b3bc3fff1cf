// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iterator>
#include <vector>

#include "cuda/device_array.hpp"
#include "transfusion/core/interval.hpp"
#include "transfusion/cuda/memory.cuh"

namespace cuda_tests {

/// Rows of each image, for both.
template <class Exec>
class device_ranges {
 public:
  device_ranges(Exec& exec, const std::vector<index_t>& images) : memory_(exec, std::ssize(images)) {
    for (const index_t n : images) {
      ranges_.push_back(key_interval::of(rows_, rows_ + n));
      rows_ += n;
    }
    exec.upload(memory_.all().data, ranges_.data(), ranges_.size() * sizeof(key_interval));
  }
  view<const key_interval, 1> device() const { return memory_.all(); }
  view<const key_interval, 1> host() const { return {ranges_.data(), std::ssize(ranges_)}; }
  index_t rows() const { return rows_; }

 private:
  buffer<Exec, key_interval> memory_;
  std::vector<key_interval> ranges_;
  index_t rows_ = 0;
};

}  // namespace cuda_tests
