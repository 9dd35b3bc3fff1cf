// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/cuda/gemm.cuh"
#include "transfusion/cuda/kernels/column_sum.cuh"
#include "transfusion/cuda/memory.cuh"

namespace transfusion {
namespace cuda {

/// y[N,O] = x[N,I] w[O,I]^T (+ b[O]).
template <class T, class Out>
product<T, Out> linear_product(view<Out, 2> y, view<const T, 2> x, view<const T, 2> w) {
  return {y.rows(), y.cols(), x.cols(), {x.data, x.cols()}, {w.data, w.cols(), true}, {y.data, y.cols()}};
}

/// A copy of a bias that lies where the epilogue can read it, unless it already does.
template <class T>
const T* aligned_bias(detail::cuda_context& c, view<const T, 1> b) {
  if (alignment_of(b.data) >= 16) return b.data;
  const std::size_t bytes = static_cast<std::size_t>(b.size()) * sizeof(T);
  void* copy = c.scratch(bytes);
  copy_bytes(c, copy, b.data, bytes);
  return static_cast<const T*>(copy);
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::linear(matrix y, const_matrix x, const_matrix w, const_vector b) {
  if (y.size() == 0) return;
  auto p = cuda::linear_product(y, x, w);
  context_->use();
  if (b) p.bias = cuda::aligned_bias(*context_, b);
  cuda::multiply(*context_, p);
}

template <class Scalar>
void cuda_exec<Scalar>::logits(real_matrix y, const_matrix x, const_matrix w) {
  cuda::multiply(*context_, cuda::linear_product(y, x, w));
}

template <class Scalar>
void cuda_exec<Scalar>::linear_backward(sink dx, real_matrix dw, real_vector db, const_matrix dy, const_matrix x,
                                        const_matrix w) {
  const index_t rows = dy.rows(), out = dy.cols();
  if (dx) {
    const index_t in = w.cols();
    cuda::multiply(*context_, cuda::product<Scalar, Scalar>{
                                  rows, in, out, {dy.data, out}, {w.data, in}, {dx.into.data, in}, nullptr, dx.add});
  }
  if (dw) {
    const index_t in = x.cols();
    cuda::multiply(*context_, cuda::product<Scalar, real>{
                                  out, in, rows, {dy.data, out, true}, {x.data, in}, {dw.data, in}, nullptr, true});
  }
  if (db && rows > 0) {
    const auto floats = static_cast<std::size_t>(cuda::column_sum_scratch(rows, out));
    auto* partials = static_cast<float*>(context_->scratch(floats * sizeof(float)));
    cuda::add_column_sums(*context_, db.data, dy.data, rows, out, partials);
  }
}

}  // namespace transfusion
