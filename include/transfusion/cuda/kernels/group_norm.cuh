// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/host_device.hpp"
#include "transfusion/core/interval.hpp"
#include "transfusion/cuda/kernels/lanes.cuh"
#include "transfusion/cuda/launch.cuh"

// Group norm, Wu & He 2018. Every image's rows are cut into as many slices as the mean image's. A block adds up one
// slice column by column, in rows at a time and then in rising order; a warp adds the slices and columns of a group.
// Threads keep their columns, which lie in one group: packs never cross from one to another.
namespace transfusion::cuda {

struct image_rows {
  index_t first, end;
};

/// Slice `slice` of an image's rows: together they are all of them, each once.
TRANSFUSION_HD constexpr image_rows slice_of(key_interval image, index_t slice, index_t slices) {
  const index_t rows = image.end > image.begin ? index_t{image.end} - image.begin : 0, each = ceil_div(rows, slices);
  const index_t first = slice * each, end = first + each;
  return {image.begin + (first < rows ? first : rows), image.begin + (end < rows ? end : rows)};
}

struct group_layout {
  const key_interval* ranges;  ///< [images]
  index_t images, width, groups, slices;

  __device__ __forceinline__ index_t group_width() const { return width / groups; }
  __device__ __forceinline__ index_t group_of(index_t col) const { return col / group_width(); }
  /// Values of a group of image s.
  __device__ __forceinline__ float count(index_t s) const {
    const image_rows all = slice_of(ranges[s], 0, 1);
    return static_cast<float>((all.end - all.first) * group_width());
  }
};

inline constexpr int group_threads = 256;

/// A value near the group's mean, to be taken off before squares are added up: the mean of its first few values.
template <class T>
__device__ __forceinline__ float group_shift(const group_layout& l, const T* x, index_t s, index_t group) {
  const index_t each = l.group_width(), count = each < 8 ? each : 8;
  const T* first = x + l.ranges[s].begin * l.width + group * each;
  float sum = 0;
  for (index_t i = 0; i < count; ++i) sum += static_cast<float>(first[i]);
  return sum / static_cast<float>(count);
}

/// x and x^2, x counted from the group's shift.
template <class T>
struct group_moments {
  const T* x;

  template <int N>
  struct columns {
    float shift;
  };
  template <int N>
  __device__ __forceinline__ columns<N> at(const group_layout& l, index_t s, index_t col) const {
    return {group_shift(l, x, s, l.group_of(col))};
  }
  template <int N>
  __device__ __forceinline__ void add(float (&u)[N], float (&v)[N], index_t i, const columns<N>& c) const {
    float d[N];
    read_lanes(d, x + i);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      d[k] -= c.shift;
      u[k] += d[k];
      v[k] += d[k] * d[k];
    }
  }
};

/// dy and dy x', x' the normalised x.
template <class T>
struct group_products {
  const T *dy, *x;
  const float* stats;  ///< [images * groups, 2]

  template <int N>
  struct columns {
    float mean, inverse;
  };
  template <int N>
  __device__ __forceinline__ columns<N> at(const group_layout& l, index_t s, index_t col) const {
    const float* of = stats + 2 * (s * l.groups + l.group_of(col));
    return {of[0], of[1]};
  }
  template <int N>
  __device__ __forceinline__ void add(float (&u)[N], float (&v)[N], index_t i, const columns<N>& c) const {
    float d[N], n[N];
    read_lanes(d, dy + i);
    read_lanes(n, x + i);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      u[k] += d[k];
      v[k] += d[k] * ((n[k] - c.mean) * c.inverse);
    }
  }
};

/// partial [2, images * slices, width]: the column sums of the two terms over each slice.
/// Grid: (slices, images, column blocks); block: (packs of a row, rows at a time).
template <int Lanes, class Terms>
__global__ void __launch_bounds__(group_threads) slice_sums_kernel(group_layout l, Terms terms, float* partial) {
  __shared__ __align__(16) float sums[2][group_threads * Lanes];
  const int across = static_cast<int>(blockDim.x) * Lanes;
  const index_t first_col = static_cast<index_t>(blockIdx.z) * across, col = first_col + threadIdx.x * Lanes;
  const int own = static_cast<int>(threadIdx.y) * across + static_cast<int>(threadIdx.x) * Lanes;
  for (index_t s = blockIdx.y; s < l.images; s += gridDim.y) {
    const image_rows rows = slice_of(l.ranges[s], blockIdx.x, l.slices);
    float u[Lanes] = {}, v[Lanes] = {};
    if (col < l.width && rows.first < rows.end) {
      const auto columns = terms.template at<Lanes>(l, s, col);
#pragma unroll 4
      for (index_t row = rows.first + threadIdx.y; row < rows.end; row += blockDim.y)
        terms.add(u, v, row * l.width + col, columns);
    }
    write_lanes(&sums[0][own], u);
    write_lanes(&sums[1][own], v);
    __syncthreads();
    const index_t to = (s * l.slices + blockIdx.x) * l.width, second = l.images * l.slices * l.width;
    for (int d = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x); d < across;
         d += static_cast<int>(blockDim.x * blockDim.y)) {
      if (first_col + d >= l.width) continue;
      float a = 0, b = 0;
      for (int y = 0; y < static_cast<int>(blockDim.y); ++y) {
        a += sums[0][y * across + d];
        b += sums[1][y * across + d];
      }
      partial[to + first_col + d] = a;
      partial[second + to + first_col + d] = b;
    }
    __syncthreads();
  }
}

struct two_sums {
  float first, second;
};

/// The sums of a group's columns over all slices, each times the column's w (or null: 1). The same bits in all lanes.
__device__ inline two_sums group_sums(const group_layout& l, const float* partial, const float* w, index_t s,
                                      index_t group) {
  const index_t each = l.group_width(), first_col = group * each, second = l.images * l.slices * l.width;
  float a = 0, b = 0;
  for (index_t i = threadIdx.x; i < l.slices * each; i += warp_threads) {
    const index_t col = first_col + i % each, at = (s * l.slices + i / each) * l.width + col;
    const float scale = w ? w[col] : 1.f;
    a += scale * partial[at];
    b += scale * partial[second + at];
  }
  return {warp_sum(a), warp_sum(b)};
}

inline constexpr int group_warps = 8;

/// stats = mean, 1/deviation of each group, from the sums of group_moments. A warp for each; block: (32, 8).
template <class T>
__global__ void __launch_bounds__(warp_threads* group_warps)
    group_stats_kernel(group_layout l, const T* x, const float* partial, float* stats, float epsilon) {
  const index_t i = static_cast<index_t>(blockIdx.x) * group_warps + threadIdx.y;
  if (i >= l.images * l.groups) return;
  const index_t s = i / l.groups, group = i % l.groups;
  const float count = l.count(s);
  if (count == 0) return;
  const two_sums sums = group_sums(l, partial, nullptr, s, group);
  const float offset = sums.first / count, variance = sums.second / count - offset * offset;
  if (threadIdx.x != 0) return;
  stats[2 * i] = group_shift(l, x, s, group) + offset;
  stats[2 * i + 1] = rsqrtf((variance > 0 ? variance : 0.f) + epsilon);
}

/// means = mean(dy w), mean(dy w x') of each group, from the sums of group_products.
template <class T>
__global__ void __launch_bounds__(warp_threads* group_warps)
    group_means_kernel(group_layout l, const float* w, const float* partial, T* means) {
  const index_t i = static_cast<index_t>(blockIdx.x) * group_warps + threadIdx.y;
  if (i >= l.images * l.groups) return;
  const index_t s = i / l.groups;
  const float count = l.count(s);
  if (count == 0) return;
  const two_sums sums = group_sums(l, partial, w, s, i % l.groups);
  if (threadIdx.x != 0) return;
  means[2 * i] = sums.first / count;
  means[2 * i + 1] = sums.second / count;
}

/// y = x' w + b.
template <class T>
struct group_norm_map {
  T* y;
  const T* x;
  const float *stats, *w, *b;  ///< w, b: [width], or null

  template <int N>
  struct columns {
    float mean, scale[N], offset[N];
  };
  template <int N>
  __device__ __forceinline__ columns<N> at(const group_layout& l, index_t s, index_t col) const {
    const float* of = stats + 2 * (s * l.groups + l.group_of(col));
    columns<N> c{of[0], {}, {}};
    float scale[N];
    if (w) read_lanes(scale, w + col);
    if (b) read_lanes(c.offset, b + col);
#pragma unroll
    for (int k = 0; k < N; ++k) c.scale[k] = w ? of[1] * scale[k] : of[1];
    return c;
  }
  template <int N>
  __device__ __forceinline__ void apply(index_t i, const columns<N>& c) const {
    float v[N];
    read_lanes(v, x + i);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = (v[k] - c.mean) * c.scale[k] + c.offset[k];
    write_lanes(y + i, v);
  }
};

/// dx = r (dy w - mean(dy w) - x' mean(dy w x')), r = 1/deviation.
template <class T>
struct group_norm_backward_map {
  T* dx;
  index_t add;  ///< whether to add to dx
  const T *dy, *x;
  const float *stats, *w, *means;

  template <int N>
  struct columns {
    float mean, inverse, shift, pull, scale[N];
  };
  template <int N>
  __device__ __forceinline__ columns<N> at(const group_layout& l, index_t s, index_t col) const {
    const index_t i = 2 * (s * l.groups + l.group_of(col));
    columns<N> c{stats[i], stats[i + 1], means[i], means[i + 1], {}};
    if (w) read_lanes(c.scale, w + col);
#pragma unroll
    for (int k = 0; k < N; ++k) c.scale[k] = w ? c.scale[k] : 1.f;
    return c;
  }
  template <int N>
  __device__ __forceinline__ void apply(index_t i, const columns<N>& c) const {
    float d[N], n[N];
    read_lanes(d, dy + i);
    read_lanes(n, x + i);
#pragma unroll
    for (int k = 0; k < N; ++k)
      d[k] = c.inverse * (d[k] * c.scale[k] - c.shift - c.pull * ((n[k] - c.mean) * c.inverse));
    put_lanes(dx + i, add, d);
  }
};

/// map.apply for every pack of every image. Grid and block as slice_sums_kernel's.
template <int Lanes, class Map>
__global__ void __launch_bounds__(group_threads) map_slices_kernel(group_layout l, Map map) {
  const index_t col = (static_cast<index_t>(blockIdx.z) * blockDim.x + threadIdx.x) * Lanes;
  if (col >= l.width) return;
  for (index_t s = blockIdx.y; s < l.images; s += gridDim.y) {
    const image_rows rows = slice_of(l.ranges[s], blockIdx.x, l.slices);
    if (rows.first >= rows.end) continue;
    const auto columns = map.template at<Lanes>(l, s, col);
#pragma unroll 2
    for (index_t row = rows.first + threadIdx.y; row < rows.end; row += blockDim.y)
      map.apply(row * l.width + col, columns);
  }
}

}  // namespace transfusion::cuda
