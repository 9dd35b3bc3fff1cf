// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "transfusion/core/host_device.hpp"
#include "transfusion/core/image.hpp"
#include "transfusion/cuda/device.cuh"

namespace transfusion::cuda {

/// Where a quantile of n > 0 sorted values lies: `part` of the way from value `below` to the next one.
struct quantile_place {
  index_t below;
  double part;
};
TRANSFUSION_HD constexpr quantile_place place_of_quantile(double quantile, index_t n) {
  const double place = quantile * static_cast<double>(n - 1);
  const auto below = static_cast<index_t>(place);
  return {below, place - static_cast<double>(below)};
}

inline constexpr int quantile_threads = 1024, quantile_digits = 3, quantile_bins = 1 << 11;

/// The digits of a size, a float's bits without its sign, from the highest: 11, 10 and 10 bits.
struct size_digit {
  int shift, bits;
};
TRANSFUSION_HD constexpr size_digit digit_of_size(int digit) { return {20 - 10 * digit, digit == 0 ? 11 : 10}; }

__device__ __forceinline__ std::uint32_t size_of(float x) { return __float_as_uint(x) & 0x7fffffffu; }

struct found_bin {
  int bin;
  std::uint32_t before;  ///< in the bins below it
};

/// The bin that holds the value of rank `rank`; a whole warp calls, and the lane that finds it writes.
__device__ inline void find_bin(found_bin* found, const std::uint32_t* bins, int count, std::uint32_t rank) {
  const int lane = static_cast<int>(threadIdx.x), each = count / warp_threads;
  std::uint32_t own = 0;
  for (int k = 0; k < each; ++k) own += bins[lane * each + k];
  std::uint32_t before = own;
  for (int step = 1; step < warp_threads; step *= 2) {
    const std::uint32_t other = __shfl_up_sync(full_warp, before, static_cast<unsigned>(step));
    if (lane >= step) before += other;
  }
  before -= own;
  if (rank < before || rank >= before + own) return;
  int bin = lane * each;
  while (rank >= before + bins[bin]) before += bins[bin++];
  *found = {bin, before};
}

/// limits [images, 2] = s, floor / s, where s is the larger of `floor` and the quantile of an image's sizes |x|.
/// Block i: image i of less than 2^32 values. Digit by digit the values that share the digits so far are counted, so
/// the order statistic is exact; the counts are whole numbers, whose sums have no order.
template <int Threads>
__global__ void __launch_bounds__(Threads)
    quantile_kernel(float* limits, const float* values, const image_place* places, double quantile, float floor) {
  __shared__ std::uint32_t bins[quantile_bins];
  __shared__ found_bin found;
  __shared__ std::uint32_t next;
  const image_place place = places[blockIdx.x];
  const index_t size = place.shape.size();
  const float* x = values + place.first_value;
  if (size == 0) return;  // the whole block
  const quantile_place wanted = place_of_quantile(quantile, size);
  auto rank = static_cast<std::uint32_t>(wanted.below);
  std::uint32_t below = 0, mask = 0, equal = 0;
  for (int digit = 0; digit < quantile_digits; ++digit) {
    const size_digit d = digit_of_size(digit);
    const int count = 1 << d.bits;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += Threads) bins[i] = 0;
    __syncthreads();
#pragma unroll 4
    for (index_t i = threadIdx.x; i < size; i += Threads) {
      const std::uint32_t bits = size_of(x[i]);
      if ((bits & mask) == below) atomicAdd(&bins[(bits >> d.shift) & static_cast<std::uint32_t>(count - 1)], 1u);
    }
    __syncthreads();
    if (threadIdx.x < warp_threads) find_bin(&found, bins, count, rank);
    __syncthreads();
    rank -= found.before;
    equal = bins[found.bin];
    below |= static_cast<std::uint32_t>(found.bin) << d.shift;
    mask |= static_cast<std::uint32_t>(count - 1) << d.shift;
    __syncthreads();  // the bins are cleared again
  }
  std::uint32_t above = below;
  if (rank + 1 >= equal) {  // the next value is a larger one, if there is any; the same for the whole block
    if (threadIdx.x == 0) next = 0xffffffffu;
    __syncthreads();
    std::uint32_t least = 0xffffffffu;
#pragma unroll 4
    for (index_t i = threadIdx.x; i < size; i += Threads) {
      const std::uint32_t bits = size_of(x[i]);
      if (bits > below && bits < least) least = bits;
    }
    if (least != 0xffffffffu) atomicMin(&next, least);
    __syncthreads();
    if (next != 0xffffffffu) above = next;
  }
  if (threadIdx.x != 0) return;
  const double low = __uint_as_float(below), high = __uint_as_float(above), s = low + wanted.part * (high - low);
  const double limit = s > static_cast<double>(floor) ? s : static_cast<double>(floor);
  limits[2 * blockIdx.x] = static_cast<float>(limit);
  limits[2 * blockIdx.x + 1] = static_cast<float>(static_cast<double>(floor) / limit);
}

}  // namespace transfusion::cuda
