// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/core/interval.hpp"
#include "transfusion/core/log_variance.hpp"
#include "transfusion/cuda/device.cuh"
#include "transfusion/cuda/kernels/lanes.cuh"

// Latents from their moments [P, 2C]: C means, then C log-variances.
namespace transfusion::cuda {

inline constexpr int latent_threads = 256;

/// Within its range; what is no number stays it.
__device__ __forceinline__ float clamped_log_variance(float v) {
  constexpr auto least = static_cast<float>(least_log_variance), most = static_cast<float>(most_log_variance);
  return v < least ? least : v > most ? most : v;
}

/// z = mean + exp(log variance / 2) * noise, or the mean.
template <class T>
struct gaussian_sample_map {
  static constexpr int lanes = lanes_of<T>;
  T* z;
  const T* moments;
  const float* noise;  ///< or null
  index_t channels;

  template <int N>
  __device__ void at(index_t n, index_t c) const {
    float mean[N], v[N], e[N];
    read_lanes(mean, moments + 2 * n * channels + c);
    if (noise) {
      read_lanes(v, moments + (2 * n + 1) * channels + c);
      read_lanes(e, noise + n * channels + c);
#pragma unroll
      for (int k = 0; k < N; ++k) mean[k] += expf(clamped_log_variance(v[k]) / 2) * e[k];
    }
    write_lanes(z + n * channels + c, mean);
  }
};

/// partial [images, slices]: slice blockIdx.x of an image's divergence, every slices-th stretch of its latents.
/// Grid: (slices, images).
template <class T>
__global__ void __launch_bounds__(latent_threads)
    divergence_kernel(float* partial, const T* moments, index_t channels, const key_interval* ranges, index_t images) {
  const index_t stride = static_cast<index_t>(gridDim.x) * latent_threads;
  const index_t thread = static_cast<index_t>(blockIdx.x) * latent_threads + threadIdx.x;
  for (index_t i = blockIdx.y; i < images; i += gridDim.y) {
    const index_t first = ranges[i].begin, size = (ranges[i].end - first) * channels;
    float sum = 0;
    for (index_t e = thread; e < size; e += stride) {
      const T* row = moments + (first + e / channels) * 2 * channels;
      const float mean = static_cast<float>(row[e % channels]);
      const float v = clamped_log_variance(static_cast<float>(row[channels + e % channels]));
      sum += 0.5f * (mean * mean + expm1f(v) - v);
    }
    sum = block_sum<latent_threads>(sum);
    if (threadIdx.x == 0) partial[i * gridDim.x + blockIdx.x] = sum;
  }
}

/// kl[i] = the sum of image i's slices, in order. One thread an image.
template <class Real>
__global__ void divergences_kernel(Real* kl, const Real* partial, index_t slices, index_t images) {
  const index_t i = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= images) return;
  Real sum = 0;
  for (index_t s = 0; s < slices; ++s) sum += partial[i * slices + s];
  kl[i] = sum;
}

template <class T>
struct gaussian_sample_operands {
  T* dmoments;
  bool add;
  const T *dz, *moments;         ///< dz: or null
  const float *noise, *weights;  ///< or null
  index_t channels;

  /// The gradients of the mean and the log-variance of one latent, whose image's divergence has this weight.
  __device__ __forceinline__ void at(index_t n, index_t c, float weight) const {
    const index_t at_mean = 2 * n * channels + c, at_variance = at_mean + channels;
    const float mean = static_cast<float>(moments[at_mean]), v = static_cast<float>(moments[at_variance]);
    const float clamped = clamped_log_variance(v), pull = dz ? static_cast<float>(dz[n * channels + c]) : 0.0f;
    const float to_mean[1] = {pull + weight * mean};
    float to_variance[1] = {0.5f * weight * expm1f(clamped)};
    if (noise) to_variance[0] += 0.5f * pull * noise[n * channels + c] * expf(clamped / 2);
    if (clamped != v && v == v) to_variance[0] = 0;
    put_lanes(dmoments + at_mean, add, to_mean);
    put_lanes(dmoments + at_variance, add, to_variance);
  }
};

/// Grid: (slices, images), as for the divergence.
template <class T>
__global__ void __launch_bounds__(latent_threads)
    gaussian_sample_backward_kernel(gaussian_sample_operands<T> o, const key_interval* ranges, index_t images) {
  const index_t stride = static_cast<index_t>(gridDim.x) * latent_threads;
  const index_t thread = static_cast<index_t>(blockIdx.x) * latent_threads + threadIdx.x;
  for (index_t i = blockIdx.y; i < images; i += gridDim.y) {
    const index_t first = ranges[i].begin, size = (ranges[i].end - first) * o.channels;
    const float weight = o.weights ? o.weights[i] : 0.0f;
    for (index_t e = thread; e < size; e += stride) o.at(first + e / o.channels, e % o.channels, weight);
  }
}

}  // namespace transfusion::cuda
