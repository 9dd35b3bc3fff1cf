// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/cuda/kernels/map.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

inline constexpr int square_threads = 256;

/// The sum over the block, in double, in a fixed tree; thread 0 has it.
__device__ inline double block_sum_of_doubles(double x) {
  __shared__ double sums[square_threads];
  sums[threadIdx.x] = x;
  __syncthreads();
  for (unsigned half = square_threads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  return sums[0];
}

/// partial[block] = the squares of the block's stretches of x: a pack's in float, the packs' sums in double.
template <int Lanes>
__global__ void __launch_bounds__(square_threads) squares_kernel(double* partial, const float* x, index_t count) {
  const index_t stride = static_cast<index_t>(gridDim.x) * square_threads;
  const index_t thread = static_cast<index_t>(blockIdx.x) * square_threads + threadIdx.x;
  const index_t packs = count / Lanes;
  double sum = 0;
  for (index_t p = thread; p < packs; p += stride) {
    float v[Lanes], squares = 0;
    read_lanes(v, x + p * Lanes);
#pragma unroll
    for (int k = 0; k < Lanes; ++k) squares += v[k] * v[k];
    sum += static_cast<double>(squares);
  }
  for (index_t i = packs * Lanes + thread; i < count; i += stride) sum += static_cast<double>(x[i] * x[i]);
  sum = block_sum_of_doubles(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/// out = the sum of the partial sums. One block.
template <class Real>
__global__ void __launch_bounds__(square_threads) add_squares_kernel(Real* out, const double* partial, index_t count) {
  double sum = 0;
  for (index_t i = threadIdx.x; i < count; i += square_threads) sum += partial[i];
  sum = block_sum_of_doubles(sum);
  if (threadIdx.x == 0) *out = static_cast<Real>(sum);
}

/// Blocks of the first pass, from the extent alone: 16 packs a thread, 1024 blocks at the most.
constexpr index_t square_blocks(index_t count) {
  return std::clamp<index_t>(ceil_div(count, square_threads * 64), 1, 1024);
}

/// One step of AdamW on N neighbouring weights (Loshchilov & Hutter 2019, algorithm 2). What does not depend on the
/// element was worked out in double on the host; the clip factor comes from the squared norm on the device.
template <class T>
struct adamw_map {
  static constexpr int lanes = 4;
  float *w, *m, *v, *ema;
  T* working;
  const float *g, *norm_squared;
  float max_norm, beta1, fresh1, beta2, fresh2, keep, rate, root, epsilon, decay, fresh;

  adamw_map(view<float, 1> w_, view<float, 1> m_, view<float, 1> v_, view<float, 1> ema_, view<T, 1> working_,
            view<const float, 1> g_, view<const float, 1> norm, const adamw_step& s)
      : w(w_.data),
        m(m_.data),
        v(v_.data),
        ema(ema_.data),
        working(working_.data),
        g(g_.data),
        norm_squared(norm.data),
        max_norm(static_cast<float>(s.max_norm)),
        beta1(static_cast<float>(s.beta1)),
        fresh1(static_cast<float>(1 - s.beta1)),
        beta2(static_cast<float>(s.beta2)),
        fresh2(static_cast<float>(1 - s.beta2)),
        keep(static_cast<float>(1 - s.rate * s.weight_decay)),
        rate(static_cast<float>(s.rate / s.correction1)),
        root(static_cast<float>(1 / std::sqrt(s.correction2))),
        epsilon(static_cast<float>(s.epsilon)),
        decay(static_cast<float>(s.ema_decay)),
        fresh(static_cast<float>(1 - s.ema_decay)) {}

  template <int N>
  __device__ void at(index_t i) const {
    const float clip = clip_factor();
    float weight[N], mean[N], square[N], gradient[N];
    read_lanes(gradient, g + i);
    read_lanes(mean, m + i);
    read_lanes(square, v + i);
    read_lanes(weight, w + i);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const float clipped = clip * gradient[k];
      mean[k] = beta1 * mean[k] + fresh1 * clipped;
      square[k] = beta2 * square[k] + fresh2 * clipped * clipped;
      weight[k] = keep * weight[k] - rate * mean[k] / (sqrtf(square[k]) * root + epsilon);
    }
    write_lanes(m + i, mean);
    write_lanes(v + i, square);
    write_lanes(w + i, weight);
    if (working) write_lanes(working + i, weight);
    if (ema) average(i, weight);
  }

 private:
  __device__ float clip_factor() const {
    if (!(max_norm > 0)) return 1;
    const float norm = sqrtf(*norm_squared);
    return norm > max_norm ? max_norm / norm : 1.f;
  }
  template <int N>
  __device__ void average(index_t i, const float (&weight)[N]) const {
    float mean[N];
    read_lanes(mean, ema + i);
#pragma unroll
    for (int k = 0; k < N; ++k) mean[k] = decay * mean[k] + fresh * weight[k];
    write_lanes(ema + i, mean);
  }
};

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::sum_of_squares(real_vector out, const_real_vector x) {
  const index_t blocks = cuda::square_blocks(x.size());
  auto* partial = static_cast<double*>(context_->scratch(static_cast<std::size_t>(blocks) * sizeof(double)));
  cuda::launch(*context_, cuda::packs_fit<4>(x.data) ? cuda::squares_kernel<4> : cuda::squares_kernel<1>,
               dim3(static_cast<unsigned>(blocks)), dim3(cuda::square_threads), 0, partial, x.data, x.size());
  cuda::launch(*context_, cuda::add_squares_kernel<float>, dim3(1), dim3(cuda::square_threads), 0, out.data, partial,
               blocks);
}

template <class Scalar>
void cuda_exec<Scalar>::adamw(real_vector w, real_vector m, real_vector v, real_vector ema, vector working,
                              const_real_vector g, const_real_vector norm_squared, adamw_step step) {
  const bool packed = cuda::packs_fit<4>(w.data, m.data, v.data, ema.data, working.data, g.data);
  cuda::map_all(*context_, w.size(), packed, cuda::adamw_map<Scalar>(w, m, v, ema, working, g, norm_squared, step));
}

}  // namespace transfusion
