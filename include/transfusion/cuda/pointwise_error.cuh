// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/core/error_kind.hpp"
#include "transfusion/core/image.hpp"
#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/kernels/lanes.cuh"
#include "transfusion/cuda/launch.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

inline constexpr int error_threads = 256;

/// One prediction p and its target t. Leaves the slope in p, as a multiple of `factor`; returns the error.
template <error_kind Kind>
struct error_function;
template <>
struct error_function<error_kind::squared> {
  static constexpr float factor = 2;
  static __device__ __forceinline__ float at(float& p, float t) {
    p -= t;
    return p * p;
  }
};
template <>
struct error_function<error_kind::absolute> {
  static constexpr float factor = 1;
  static __device__ __forceinline__ float at(float& p, float t) {
    const float difference = p - t;
    p = difference > 0 ? 1.0f : difference < 0 ? -1.0f : 0.0f;
    return fabsf(difference);
  }
};
template <>
struct error_function<error_kind::hinge> {
  static constexpr float factor = -1;
  static __device__ __forceinline__ float at(float& p, float t) {
    const float margin = 1 - t * p;
    p = margin > 0 ? t : 0.0f;
    return margin < 0 ? 0.0f : margin;  // what is no number stays it
  }
};
template <>
struct error_function<error_kind::linear> {
  static constexpr float factor = -1;
  static __device__ __forceinline__ float at(float& p, float t) {
    const float error = -t * p;
    p = t;
    return error;
  }
};

template <class T>
struct pointwise_error_operands {
  float* partial;  ///< [images, slices]
  T* dprediction;  ///< or null
  bool add;
  const T* prediction;
  const float *target, *weights;

  /// The sum of the errors of N values; leaves factor * slope as their gradients.
  template <error_kind Kind, int N>
  __device__ __forceinline__ float at(index_t i, float factor) const {
    float p[N], t[N], sum = 0;
    read_lanes(p, prediction + i);
    read_lanes(t, target + i);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      sum += error_function<Kind>::at(p[k], t[k]);
      p[k] *= factor;
    }
    if (dprediction) put_lanes(dprediction + i, add, p);
    return sum;
  }
};

/// Slice blockIdx.x of image i: every slices-th stretch of the image. Grid: (slices, images).
template <error_kind Kind, class T, int Lanes>
__global__ void __launch_bounds__(error_threads)
    pointwise_error_kernel(pointwise_error_operands<T> o, const image_place* places, index_t images) {
  const index_t stride = static_cast<index_t>(gridDim.x) * error_threads;
  const index_t thread = static_cast<index_t>(blockIdx.x) * error_threads + threadIdx.x;
  for (index_t i = blockIdx.y; i < images; i += gridDim.y) {
    const index_t first = places[i].first_value, size = places[i].shape.size();
    const index_t packs = first % Lanes == 0 ? size / Lanes : 0;
    const float factor = error_function<Kind>::factor * o.weights[i] / static_cast<float>(size);
    float sum = 0;
    for (index_t p = thread; p < packs; p += stride) sum += o.template at<Kind, Lanes>(first + p * Lanes, factor);
    for (index_t e = packs * Lanes + thread; e < size; e += stride) sum += o.template at<Kind, 1>(first + e, factor);
    sum = block_sum<error_threads>(sum);
    if (threadIdx.x == 0) o.partial[i * gridDim.x + blockIdx.x] = sum;
  }
}

/// The kernel for errors of that kind.
template <class T, int Lanes>
auto pointwise_error_kernel_of(error_kind kind) {
  switch (kind) {
    case error_kind::absolute:
      return pointwise_error_kernel<error_kind::absolute, T, Lanes>;
    case error_kind::hinge:
      return pointwise_error_kernel<error_kind::hinge, T, Lanes>;
    case error_kind::linear:
      return pointwise_error_kernel<error_kind::linear, T, Lanes>;
    case error_kind::squared:
      break;
  }
  return pointwise_error_kernel<error_kind::squared, T, Lanes>;
}

/// loss[i] = the sum of image i's slices, in order, over its size. One thread an image.
template <class Real>
__global__ void mean_error_kernel(Real* loss, const Real* partial, index_t slices, const image_place* places,
                                  index_t images) {
  const index_t i = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= images) return;
  Real sum = 0;
  for (index_t s = 0; s < slices; ++s) sum += partial[i * slices + s];
  loss[i] = sum / static_cast<Real>(places[i].shape.size());
}

/// Slices an image is cut into, from the shapes alone: one for each 8192 values of the mean image, 32 at the most.
constexpr index_t error_slices(index_t values, index_t images) {
  return std::clamp<index_t>(ceil_div(ceil_div(values, images), 8192), 1, 32);
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::pointwise_error(error_kind kind, real_vector loss, sink dprediction, const_vector prediction,
                                        const_real_vector target, images places, const_real_vector weights) {
  constexpr int lanes = cuda::lanes_of<Scalar>;
  const index_t count = places.size();
  if (count == 0) return;
  const index_t slices = cuda::error_slices(prediction.size(), count);
  auto* partial = static_cast<float*>(context_->scratch(static_cast<std::size_t>(count * slices) * sizeof(float)));
  const cuda::pointwise_error_operands<Scalar> o{partial,         dprediction.into.data, dprediction.add,
                                                 prediction.data, target.data,           weights.data};
  const bool packed = cuda::packs_fit<lanes>(prediction.data, dprediction.into.data, target.data);
  const dim3 grid(static_cast<unsigned>(slices), static_cast<unsigned>(std::min<index_t>(count, 65535)));
  cuda::launch(
      *context_,
      packed ? cuda::pointwise_error_kernel_of<Scalar, lanes>(kind) : cuda::pointwise_error_kernel_of<Scalar, 1>(kind),
      grid, dim3(cuda::error_threads), 0, o, places.data, count);
  cuda::launch(*context_, cuda::mean_error_kernel<float>, dim3(static_cast<unsigned>(cuda::ceil_div(count, 128))),
               dim3(128), 0, loss.data, partial, slices, places.data, count);
}

}  // namespace transfusion
