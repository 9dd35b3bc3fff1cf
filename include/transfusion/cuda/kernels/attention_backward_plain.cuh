// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/cuda/kernels/attention_delta.cuh"

namespace transfusion::cuda::backward {

/// The widest head that the plain kernels serve.
constexpr int widest_plain_head = 256;

/// One head's row, spread over the lanes of a warp: lane l holds the columns l, l + 32, and so on; zeros past the
/// width.
struct lane_row {
  static constexpr int parts = widest_plain_head / warp_threads;
  float part[parts] = {};

  lane_row() = default;
  template <class T>
  __device__ lane_row(const T* row, int width) {
    each(width, [&](int i, int column) { part[i] = float(row[column]); });
  }
  __device__ float dot(const lane_row& other) const {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < parts; ++i) sum = fmaf(part[i], other.part[i], sum);
    return warp_sum(sum);
  }
  __device__ void add(float factor, const lane_row& other) {
#pragma unroll
    for (int i = 0; i < parts; ++i) part[i] = fmaf(factor, other.part[i], part[i]);
  }
  template <class T>
  __device__ void write(const gradient_sink<T>& to, index_t row, index_t first_column, int width) const {
    T* out = to.into.row(row) + first_column;
    each(width, [&](int i, int column) { out[column] = T(to.add ? float(out[column]) + part[i] : part[i]); });
  }

 private:
  template <class F>
  __device__ static void each(int width, F f) {
    const int lane = static_cast<int>(threadIdx.x) % warp_threads;
#pragma unroll
    for (int i = 0; i < parts; ++i)
      if (lane + i * warp_threads < width) f(i, lane + i * warp_threads);
  }
};

/// The probability of one (query row, key row) pair of one head, and the gradient of its score times the scale.
struct score_pair {
  float p, ds;

  template <class T>
  __device__ score_pair(const operands<T>& x, index_t query, index_t head, const lane_row& q, const lane_row& d_o,
                        const lane_row& k, const lane_row& v) {
    p = expf(fmaf(q.dot(k), x.scale, -x.lse(query, head)));
    ds = p * (d_o.dot(v) - x.delta(head, query)) * x.scale;
  }
};

/// dq of one (query row, head) a warp, over its keys in rising order within each interval.
template <class T>
__global__ __launch_bounds__(256) void plain_queries_kernel(operands<T> x) {
  const index_t item = (static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_threads;
  const index_t row = item / x.heads, head = item % x.heads;
  if (row >= x.q.rows()) return;
  const int width = x.head_width;
  const index_t own = head * width, shared = head / x.group * width;
  const lane_row q(x.q.row(row) + own, width), d_o(x.d_o.row(row) + own, width);
  const row_keys keys = x.keys_of(row);
  lane_row dq;
  for (int i = 0; i < 2; ++i)
    for (index_t key = keys.interval[i].begin; key < keys.interval[i].end; ++key) {
      if (i == 1 && keys.interval[0].contains(key)) continue;
      const lane_row k(x.k.row(key) + shared, width), v(x.v.row(key) + shared, width);
      dq.add(score_pair(x, row, head, q, d_o, k, v).ds, k);
    }
  dq.write(x.dq, row, own, width);
}

/// dk and dv of one (key row, key head) a warp, over the query rows in rising order and the heads of its group.
template <class T>
__global__ __launch_bounds__(256) void plain_keys_kernel(operands<T> x) {
  const index_t item = (static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x) / warp_threads;
  const index_t kv_heads = x.heads / x.group, key = item / kv_heads, kv_head = item % kv_heads;
  if (key >= x.k.rows()) return;
  const int width = x.head_width;
  const index_t own = kv_head * width;
  const lane_row k(x.k.row(key) + own, width), v(x.v.row(key) + own, width);
  lane_row dk, dv;
  for (index_t row = 0; row < x.q.rows(); ++row) {
    const row_keys keys = x.keys_of(row);
    if (!keys.interval[0].contains(key) && !keys.interval[1].contains(key)) continue;
    for (index_t head = kv_head * x.group; head < (kv_head + 1) * x.group; ++head) {
      const lane_row q(x.q.row(row) + head * width, width), d_o(x.d_o.row(row) + head * width, width);
      const score_pair pair(x, row, head, q, d_o, k, v);
      dv.add(pair.p, d_o);
      dk.add(pair.ds, q);
    }
  }
  if (x.dk) dk.write(x.dk, key, own, width);
  if (x.dv) dv.write(x.dv, key, own, width);
}

}  // namespace transfusion::cuda::backward
