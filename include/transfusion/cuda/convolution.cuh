// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/cuda/gemm.cuh"
#include "transfusion/cuda/kernels/column_sum.cuh"
#include "transfusion/cuda/kernels/convolution.cuh"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/cuda/scratch_plan.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

/// to [rows, K * C] = the rows of x [., C] under the taps of `rows` rows; taps: [rows, K].
template <class T>
void gather_taps(detail::cuda_context& c, T* to, view<const T, 2> x, const token_t* taps, index_t rows, index_t each) {
  map_rows(c, rows * each, x.cols(), packs_fit<lanes_of<T>>(to, x.data),
           gather_taps_map<T>{to, x.data, taps, x.cols()});
}

/// Calls f(first row, rows, gathered) for one chunk of taps [N, K] after another. gathered: [rows, K * C] of x, in
/// memory for `chunk` rows.
template <class T, class F>
void for_gathered(detail::cuda_context& c, T* memory, index_t chunk, view<const T, 2> x, view<const token_t, 2> taps,
                  F f) {
  for (index_t first = 0; first < taps.rows(); first += chunk) {
    const index_t rows = std::min(chunk, taps.rows() - first);
    gather_taps(c, memory, x, taps.row(first), rows, taps.cols());
    f(first, rows, operand<const T>{memory, taps.cols() * x.cols()});
  }
}

/// y = conv(x); chunk: rows of y that are worked out at once.
template <class T>
void convolve(detail::cuda_context& c, view<T, 2> y, view<const T, 2> x, view<const T, 2> w, view<const T, 1> b,
              view<const token_t, 2> taps, index_t chunk) {
  const index_t inner = w.cols(), out = y.cols();
  scratch_plan plan;
  const std::size_t gathered_at = plan.add<T>(std::min(chunk, y.rows()) * inner), bias_at = plan.add<T>(b.size());
  auto* memory = static_cast<std::byte*>(c.scratch(plan.bytes()));
  const T* bias = b.data;
  if (b && alignment_of(bias) < 16) {  // the epilogue reads whole packs
    copy_bytes(c, memory + bias_at, bias, static_cast<std::size_t>(b.size()) * sizeof(T));
    bias = reinterpret_cast<const T*>(memory + bias_at);
  }
  for_gathered(
      c, reinterpret_cast<T*>(memory + gathered_at), chunk, x, taps,
      [&](index_t first, index_t rows, operand<const T> gathered) {
        multiply(c, product<T, T>{rows, out, inner, gathered, {w.data, inner, true}, {y.row(first), out}, bias});
      });
}

/// dx = or += the transposed convolution of dy: the same product over the taps back, with the weights turned.
template <class T>
void convolve_back(detail::cuda_context& c, gradient_sink<T> dx, view<const T, 2> dy, view<const T, 2> w,
                   view<const token_t, 2> reverse, index_t chunk) {
  const index_t taps = reverse.cols(), out = dy.cols(), width = dx.into.cols(), inner = taps * out;
  scratch_plan plan;
  const std::size_t gathered_at = plan.add<T>(std::min(chunk, dx.into.rows()) * inner),
                    turned_at = plan.add<T>(inner * width);
  auto* memory = static_cast<std::byte*>(c.scratch(plan.bytes()));
  auto* turned = reinterpret_cast<T*>(memory + turned_at);
  map_rows(c, inner, width, packs_fit<lanes_of<T>>(turned, w.data),
           turn_weights_map<T>{turned, w.data, out, taps, width});
  for_gathered(
      c, reinterpret_cast<T*>(memory + gathered_at), chunk, dy, reverse,
      [&](index_t first, index_t rows, operand<const T> gathered) {
        multiply(c, product<T, T>{
                        rows, width, inner, gathered, {turned, width}, {dx.into.row(first), width}, nullptr, dx.add});
      });
}

/// dw += dy^T gathered(x), chunk after chunk.
template <class T>
void add_convolution_weights(detail::cuda_context& c, view<float, 2> dw, view<const T, 2> dy, view<const T, 2> x,
                             view<const token_t, 2> taps, index_t chunk) {
  const index_t inner = dw.cols(), out = dy.cols();
  auto* memory = static_cast<T*>(c.scratch(static_cast<std::size_t>(std::min(chunk, dy.rows()) * inner) * sizeof(T)));
  for_gathered(c, memory, chunk, x, taps, [&](index_t first, index_t rows, operand<const T> gathered) {
    multiply(
        c, product<T, float>{out, inner, rows, {dy.row(first), out, true}, gathered, {dw.data, inner}, nullptr, true});
  });
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::convolution(matrix y, const_matrix x, const_matrix w, const_vector b,
                                    view<const token_t, 2> taps) {
  if (y.size() == 0) return;
  const index_t row_bytes = w.cols() * static_cast<index_t>(sizeof(Scalar));
  cuda::convolve<Scalar>(*context_, y, x, w, b, taps, cuda::gathered_rows(y.rows(), row_bytes));
}

template <class Scalar>
void cuda_exec<Scalar>::convolution_backward(sink dx, real_matrix dw, real_vector db, const_matrix dy, const_matrix x,
                                             const_matrix w, view<const token_t, 2> taps,
                                             view<const token_t, 2> reverse) {
  const index_t rows = dy.rows(), out = dy.cols(), bytes = static_cast<index_t>(sizeof(Scalar));
  if (dx && dx.into.size() > 0)
    cuda::convolve_back<Scalar>(*context_, dx, dy, w, reverse,
                                cuda::gathered_rows(dx.into.rows(), reverse.cols() * out * bytes));
  if (dw && dy.size() > 0)
    cuda::add_convolution_weights<Scalar>(*context_, dw, dy, x, taps, cuda::gathered_rows(rows, dw.cols() * bytes));
  if (db && dy.size() > 0) {
    const auto floats = static_cast<std::size_t>(cuda::column_sum_scratch(rows, out));
    cuda::add_column_sums(*context_, db.data, dy.data, rows, out,
                          static_cast<float*>(context_->scratch(floats * sizeof(float))));
  }
}

}  // namespace transfusion
