// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "transfusion/cuda/kernels/map.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

template <class T>
__device__ __forceinline__ float sigmoid(float x) {
  if constexpr (sizeof(T) == 2)
    return __fdividef(1.f, 1.f + __expf(-x));  // a few units of float: lost in the rounding to bf16
  else
    return 1 / (1 + expf(-x));
}
/// d silu(x) / dx, given s = sigmoid(x).
__device__ __forceinline__ float silu_slope(float x, float s) { return s * (1 + x * (1 - s)); }

struct silu_function {
  template <class T>
  static __device__ __forceinline__ float of(float x) {
    return x * sigmoid<T>(x);
  }
  template <class T>
  static __device__ __forceinline__ float slope(float x) {
    return silu_slope(x, sigmoid<T>(x));
  }
};

/// x Phi(x), Phi the share of a standard normal below x (Hendrycks & Gimpel 2016); its slope is Phi(x) + x phi(x).
struct gelu_function {
  static __device__ __forceinline__ float below(float x) { return 0.5f + 0.5f * erff(x * 0.70710678f); }
  template <class T>
  static __device__ __forceinline__ float of(float x) {
    return x * below(x);
  }
  template <class T>
  static __device__ __forceinline__ float slope(float x) {
    return below(x) + x * 0.39894228f * expf(-0.5f * x * x);
  }
};

struct swiglu_function {
  template <class T>
  static __device__ __forceinline__ float of(float gate, float up) {
    return gate * sigmoid<T>(gate) * up;
  }
};
struct product_function {
  template <class T>
  static __device__ __forceinline__ float of(float a, float b) {
    return a * b;
  }
};
struct sum_function {
  template <class T>
  static __device__ __forceinline__ float of(float a, float b) {
    return a + b;
  }
};

/// y = f(x)
template <class T, class F>
struct unary_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  const T* x;

  template <int N>
  __device__ void at(index_t i) const {
    float v[N];
    read_lanes(v, x + i);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = F::template of<T>(v[k]);
    write_lanes(y + i, v);
  }
};

/// dx = or += dy · f'(x)
template <class T, class F>
struct unary_backward_map {
  static constexpr int lanes = lanes_of<T>;
  T* dx;
  bool add;
  const T *dy, *x;

  template <int N>
  __device__ void at(index_t i) const {
    float d[N], v[N];
    read_lanes(d, dy + i);
    read_lanes(v, x + i);
#pragma unroll
    for (int k = 0; k < N; ++k) d[k] *= F::template slope<T>(v[k]);
    put_lanes(dx + i, add, d);
  }
};

template <class T>
struct leaky_relu_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  const T* x;
  float slope;

  template <int N>
  __device__ void at(index_t i) const {
    float v[N];
    read_lanes(v, x + i);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = v[k] > 0 ? v[k] : slope * v[k];
    write_lanes(y + i, v);
  }
};

template <class T>
struct leaky_relu_backward_map {
  static constexpr int lanes = lanes_of<T>;
  T* dx;
  bool add;
  const T *dy, *x;
  float slope;

  template <int N>
  __device__ void at(index_t i) const {
    float d[N], v[N];
    read_lanes(d, dy + i);
    read_lanes(v, x + i);
#pragma unroll
    for (int k = 0; k < N; ++k) d[k] = v[k] > 0 ? d[k] : slope * d[k];
    put_lanes(dx + i, add, d);
  }
};

/// y = f(a, b); y may be a or b.
template <class T, class F>
struct binary_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  const T *a, *b;

  template <int N>
  __device__ void at(index_t i) const {
    float u[N], v[N];
    read_lanes(u, a + i);
    read_lanes(v, b + i);
#pragma unroll
    for (int k = 0; k < N; ++k) u[k] = F::template of<T>(u[k], v[k]);
    write_lanes(y + i, u);
  }
};

template <class T>
struct swiglu_backward_map {
  static constexpr int lanes = lanes_of<T>;
  T *dgate, *dup;
  bool add_gate, add_up;
  const T *dy, *gate, *up;

  template <int N>
  __device__ void at(index_t i) const {
    float d[N], g[N], u[N];
    read_lanes(d, dy + i);
    read_lanes(g, gate + i);
    read_lanes(u, up + i);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const float s = sigmoid<T>(g[k]);
      u[k] = d[k] * u[k] * silu_slope(g[k], s);
      d[k] = d[k] * g[k] * s;
    }
    if (dgate) put_lanes(dgate + i, add_gate, u);
    if (dup) put_lanes(dup + i, add_up, d);
  }
};

/// da from dy b, then db from dy a: they may be one array.
template <class T>
struct multiply_backward_map {
  static constexpr int lanes = lanes_of<T>;
  T *da, *db;
  bool add_a, add_b;
  const T *dy, *a, *b;

  template <int N>
  __device__ void at(index_t i) const {
    float d[N], u[N], v[N];
    read_lanes(d, dy + i);
    read_lanes(u, a + i);
    read_lanes(v, b + i);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      v[k] *= d[k];
      u[k] *= d[k];
    }
    if (da) put_lanes(da + i, add_a, v);
    if (db) put_lanes(db + i, add_b, u);
  }
};

template <class T>
struct copy_map {
  static constexpr int lanes = lanes_of<T>;
  T* y;
  const T* x;

  template <int N>
  __device__ void at(index_t i) const {
    copy_lanes<N>(y + i, x + i);
  }
};

/// Row i, frequency k: cos and, half a row on, sin of t[i] * period^(-k/half), angles in double.
template <class T>
struct timestep_map {
  view<T, 2> y;
  const float* t;
  index_t half;
  double max_period;

  template <int N>
  __device__ void at(index_t i, index_t k) const {
    const double angle =
        static_cast<double>(t[i]) * pow(max_period, -static_cast<double>(k) / static_cast<double>(half));
    y(i, k) = T(static_cast<float>(cos(angle)));
    y(i, half + k) = T(static_cast<float>(sin(angle)));
  }
};

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::swiglu(matrix y, const_matrix gate, const_matrix up) {
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, gate.data, up.data);
  cuda::map_all(*context_, y.size(), packed,
                cuda::binary_map<Scalar, cuda::swiglu_function>{y.data, gate.data, up.data});
}

template <class Scalar>
void cuda_exec<Scalar>::swiglu_backward(sink dgate, sink dup, const_matrix dy, const_matrix gate, const_matrix up) {
  if (!dgate && !dup) return;
  Scalar *g = dgate.into.data, *u = dup.into.data;
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(g, u, dy.data, gate.data, up.data);
  cuda::map_all(*context_, dy.size(), packed,
                cuda::swiglu_backward_map<Scalar>{g, u, dgate.add, dup.add, dy.data, gate.data, up.data});
}

template <class Scalar>
void cuda_exec<Scalar>::silu(matrix y, const_matrix x) {
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, x.data);
  cuda::map_all(*context_, y.size(), packed, cuda::unary_map<Scalar, cuda::silu_function>{y.data, x.data});
}

template <class Scalar>
void cuda_exec<Scalar>::silu_backward(sink dx, const_matrix dy, const_matrix x) {
  if (!dx) return;
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(dx.into.data, dy.data, x.data);
  cuda::map_all(*context_, dy.size(), packed,
                cuda::unary_backward_map<Scalar, cuda::silu_function>{dx.into.data, dx.add, dy.data, x.data});
}

template <class Scalar>
void cuda_exec<Scalar>::gelu(matrix y, const_matrix x) {
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, x.data);
  cuda::map_all(*context_, y.size(), packed, cuda::unary_map<Scalar, cuda::gelu_function>{y.data, x.data});
}

template <class Scalar>
void cuda_exec<Scalar>::gelu_backward(sink dx, const_matrix dy, const_matrix x) {
  if (!dx) return;
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(dx.into.data, dy.data, x.data);
  cuda::map_all(*context_, dy.size(), packed,
                cuda::unary_backward_map<Scalar, cuda::gelu_function>{dx.into.data, dx.add, dy.data, x.data});
}

template <class Scalar>
void cuda_exec<Scalar>::leaky_relu(matrix y, const_matrix x, double slope) {
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, x.data);
  cuda::map_all(*context_, y.size(), packed, cuda::leaky_relu_map<Scalar>{y.data, x.data, static_cast<float>(slope)});
}

template <class Scalar>
void cuda_exec<Scalar>::leaky_relu_backward(sink dx, const_matrix dy, const_matrix x, double slope) {
  if (!dx) return;
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(dx.into.data, dy.data, x.data);
  cuda::map_all(
      *context_, dy.size(), packed,
      cuda::leaky_relu_backward_map<Scalar>{dx.into.data, dx.add, dy.data, x.data, static_cast<float>(slope)});
}

template <class Scalar>
void cuda_exec<Scalar>::multiply(matrix y, const_matrix a, const_matrix b) {
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, a.data, b.data);
  cuda::map_all(*context_, y.size(), packed, cuda::binary_map<Scalar, cuda::product_function>{y.data, a.data, b.data});
}

template <class Scalar>
void cuda_exec<Scalar>::multiply_backward(sink da, sink db, const_matrix dy, const_matrix a, const_matrix b) {
  if (!da && !db) return;
  Scalar *to_a = da.into.data, *to_b = db.into.data;
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(to_a, to_b, dy.data, a.data, b.data);
  cuda::map_all(*context_, dy.size(), packed,
                cuda::multiply_backward_map<Scalar>{to_a, to_b, da.add, db.add, dy.data, a.data, b.data});
}

template <class Scalar>
void cuda_exec<Scalar>::add(matrix y, const_matrix a, const_matrix b) {
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, a.data, b.data);
  cuda::map_all(*context_, y.size(), packed, cuda::binary_map<Scalar, cuda::sum_function>{y.data, a.data, b.data});
}

template <class Scalar>
void cuda_exec<Scalar>::accumulate(sink dx, const_matrix x) {
  if (!dx) return;
  Scalar* to = dx.into.data;
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(to, x.data);
  if (dx.add)
    cuda::map_all(*context_, x.size(), packed, cuda::binary_map<Scalar, cuda::sum_function>{to, to, x.data});
  else
    cuda::map_all(*context_, x.size(), packed, cuda::copy_map<Scalar>{to, x.data});
}

template <class Scalar>
void cuda_exec<Scalar>::timestep_embedding(matrix y, const_real_vector t, double max_period) {
  const index_t half = y.cols() / 2;
  cuda::map_rows_by<1>(*context_, y.rows(), half, cuda::timestep_map<Scalar>{y, t.data, half, max_period});
}

}  // namespace transfusion
