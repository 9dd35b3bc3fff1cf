// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/cuda/kernels/image_map.cuh"
#include "transfusion/cuda/kernels/image_sums.cuh"
#include "transfusion/cuda/kernels/quantile.cuh"
#include "transfusion/cuda/scratch_plan.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

/// The factor of guidance rescale, Lin et al. 2023 (eq. 15 and 16), from sums of x, x^2, of the reference and of its
/// squares, both counted from the image's first value: a constant image has deviation 0, to the last bit.
struct deviation_terms {
  static constexpr int lanes = 4, count = 4;
  float* factors;  ///< [images]
  const float *x, *reference;
  double strength;

  struct first_values {
    float x, reference;
  };
  __device__ first_values origin(index_t first) const { return {x[first], reference[first]}; }

  template <int N>
  __device__ __forceinline__ void add(double (&sums)[count], index_t i, const first_values& o) const {
    float u[N], v[N];
    read_lanes(u, x + i);
    read_lanes(v, reference + i);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const double a = static_cast<double>(u[k]) - static_cast<double>(o.x);
      const double b = static_cast<double>(v[k]) - static_cast<double>(o.reference);
      sums[0] += a;
      sums[1] += a * a;
      sums[2] += b;
      sums[3] += b * b;
    }
  }
  __device__ void finish(index_t i, double size, const double (&sums)[count]) const {
    const double own = sums[1] / size - sums[0] / size * (sums[0] / size);
    const double other = sums[3] / size - sums[2] / size * (sums[2] / size);
    factors[i] = own <= 0 ? 1.f : static_cast<float>(strength * sqrt((other < 0 ? 0. : other) / own) + (1 - strength));
  }
};

/// x *= factor of the image.
struct scale_map {
  static constexpr int lanes = 4;
  float* x;
  const float* factors;

  template <int N>
  __device__ void at(index_t i, const image_place& place, index_t e) const {
    float v[N];
    read_lanes(v, x + place.first_value + e);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] *= factors[i];
    write_lanes(x + place.first_value + e, v);
  }
};

/// x = clamp(x, -s, s) * factor of the image. What is no number stays so.
struct threshold_map {
  static constexpr int lanes = 4;
  float* x;
  const float* limits;  ///< [images, 2]: s, factor

  template <int N>
  __device__ void at(index_t i, const image_place& place, index_t e) const {
    const float s = limits[2 * i], factor = limits[2 * i + 1];
    float v[N];
    read_lanes(v, x + place.first_value + e);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      if (v[k] < -s) v[k] = -s;
      if (v[k] > s) v[k] = s;
      v[k] *= factor;
    }
    write_lanes(x + place.first_value + e, v);
  }
};

/// The root of the mean square of error / (absolute + relative max(|a|, |b|)); Hairer, Norsett & Wanner, II.4.
struct scaled_error_terms {
  static constexpr int lanes = 4, count = 1;
  float* out;
  const float *error, *a, *b;
  float absolute, relative;

  struct nothing {};
  __device__ nothing origin(index_t) const { return {}; }

  template <int N>
  __device__ __forceinline__ void add(double (&sums)[count], index_t i, const nothing&) const {
    float e[N], u[N], v[N];
    read_lanes(e, error + i);
    read_lanes(u, a + i);
    read_lanes(v, b + i);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const float share = e[k] / (absolute + relative * fmaxf(fabsf(u[k]), fabsf(v[k])));
      sums[0] += static_cast<double>(share) * static_cast<double>(share);
    }
  }
  __device__ void finish(index_t i, double size, const double (&sums)[count]) const {
    out[i] = static_cast<float>(sqrt(sums[0] / size));
  }
};

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::match_deviation(real_vector x, const_real_vector reference, images places, double strength) {
  if (places.size() == 0) return;
  const index_t slices = cuda::image_slices(x.size(), places.size());
  cuda::scratch_plan plan;
  const std::size_t sums = plan.add<double>(places.size() * slices * cuda::deviation_terms::count),
                    factors_at = plan.add<float>(places.size());
  auto* memory = static_cast<std::byte*>(context_->scratch(plan.bytes()));
  auto* factors = reinterpret_cast<float*>(memory + factors_at);
  cuda::add_images(*context_, reinterpret_cast<double*>(memory + sums), slices, places,
                   cuda::packs_fit<4>(x.data, reference.data),
                   cuda::deviation_terms{factors, x.data, reference.data, strength});
  cuda::map_images(*context_, x.size(), places, cuda::packs_fit<4>(x.data), cuda::scale_map{x.data, factors});
}

template <class Scalar>
void cuda_exec<Scalar>::dynamic_threshold(real_vector x, images places, double quantile, double floor) {
  if (places.size() == 0) return;
  auto* limits = static_cast<float*>(context_->scratch(static_cast<std::size_t>(2 * places.size()) * sizeof(float)));
  cuda::launch(*context_, cuda::quantile_kernel<cuda::quantile_threads>, dim3(static_cast<unsigned>(places.size())),
               dim3(cuda::quantile_threads), 0, limits, x.data, places.data, quantile, static_cast<float>(floor));
  cuda::map_images(*context_, x.size(), places, cuda::packs_fit<4>(x.data), cuda::threshold_map{x.data, limits});
}

template <class Scalar>
void cuda_exec<Scalar>::scaled_error(real_vector out, const_real_vector error, const_real_vector a, const_real_vector b,
                                     images places, double absolute, double relative) {
  if (places.size() == 0) return;
  const index_t slices = cuda::image_slices(error.size(), places.size());
  auto* sums =
      static_cast<double*>(context_->scratch(static_cast<std::size_t>(places.size() * slices) * sizeof(double)));
  cuda::add_images(*context_, sums, slices, places, cuda::packs_fit<4>(error.data, a.data, b.data),
                   cuda::scaled_error_terms{out.data, error.data, a.data, b.data, static_cast<float>(absolute),
                                            static_cast<float>(relative)});
}

}  // namespace transfusion
