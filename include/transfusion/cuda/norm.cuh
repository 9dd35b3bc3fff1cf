// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/cuda/kernels/norm.cuh"
#include "transfusion/cuda/kernels/norm_backward.cuh"
#include "transfusion/cuda/kernels/norm_launch.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

template <class T>
struct rms_norm_kernels {
  using kernel = void (*)(norm_operands<T>);
  template <int Lanes, int Packs, int Threads>
  static kernel packed() {
    return rms_norm_kernel<T, Lanes, Packs, Threads>;
  }
  template <int Threads>
  static kernel any() {
    return rms_norm_any_kernel<T, Threads>;
  }
};

template <class T>
void run_rms_norm(detail::cuda_context& c, const norm_operands<T>& o) {
  constexpr int lanes = lanes_of<T>;
  launch_norm<rms_norm_kernels<T>, lanes>(c, packs_fit<lanes>(o.sum, o.y, o.a, o.b, o.w), o);
}

/// The parts apart, for widths and addresses that the registers or packs do not allow.
template <class T>
void run_rms_norm_backward_any(detail::cuda_context& c, const norm_backward_operands<T>& o) {
  constexpr int warp = warp_threads, block = norm_block;
  if (o.dx && o.width <= widest_row_of_a_warp) launch_by_rows<warp>(c, rms_norm_dx_any_kernel<T, warp>, o);
  if (o.dx && o.width > widest_row_of_a_warp) launch_by_rows<block>(c, rms_norm_dx_any_kernel<T, block>, o);
  const dim3 grid(static_cast<unsigned>(ceil_div(o.rows, o.chunk)), static_cast<unsigned>(ceil_div(o.width, block)));
  if (o.partial) launch(c, rms_norm_dw_any_kernel<T>, grid, dim3(block), 0, o);
}

template <class T>
void run_rms_norm_backward(detail::cuda_context& c, const norm_backward_operands<T>& o) {
  constexpr int lanes = lanes_of<T>, warp = warp_threads;
  const index_t packs = o.width / lanes;
  const bool packed = o.width % lanes == 0 && packs_fit<lanes>(o.dx, o.partial, o.dy, o.x, o.w);
  if (!packed || packs > 1024) return run_rms_norm_backward_any(c, o);
  if (packs <= warp) return launch_by_chunks<warp, 4>(c, rms_norm_backward_kernel<T, lanes, 1, warp, 4>, o);
  if (packs <= 2 * warp) return launch_by_chunks<warp, 4>(c, rms_norm_backward_kernel<T, lanes, 2, warp, 4>, o);
  if (packs <= 4 * warp) return launch_by_chunks<warp, 4>(c, rms_norm_backward_kernel<T, lanes, 4, warp, 4>, o);
  if (packs <= 256) return launch_by_chunks<256, 1>(c, rms_norm_backward_kernel<T, lanes, 1, 256, 1>, o);
  if (packs <= 512) return launch_by_chunks<256, 1>(c, rms_norm_backward_kernel<T, lanes, 2, 256, 1>, o);
  launch_by_chunks<512, 1>(c, rms_norm_backward_kernel<T, lanes, 2, 512, 1>, o);
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::rms_norm(matrix y, real_vector inverse_rms, const_matrix x, const_real_vector w,
                                 double epsilon) {
  if (x.size() == 0) return;
  cuda::run_rms_norm<Scalar>(*context_, {nullptr, y.data, inverse_rms.data, x.data, nullptr, w.data, x.rows(), x.cols(),
                                         static_cast<float>(epsilon)});
}

template <class Scalar>
void cuda_exec<Scalar>::add_rms_norm(matrix sum, matrix y, real_vector inverse_rms, const_matrix a, const_matrix b,
                                     const_real_vector w, double epsilon) {
  if (a.size() == 0) return;
  cuda::run_rms_norm<Scalar>(*context_, {sum.data, y.data, inverse_rms.data, a.data, b.data, w.data, a.rows(), a.cols(),
                                         static_cast<float>(epsilon)});
}

template <class Scalar>
void cuda_exec<Scalar>::rms_norm_backward(sink dx, real_vector dw, const_matrix dy, const_matrix x, const_real_vector w,
                                          const_real_vector inverse_rms) {
  if (x.size() == 0 || (!dx && !dw)) return;
  const index_t width = x.cols(), chunk = cuda::norm_chunk(x.rows(), width), chunks = cuda::ceil_div(x.rows(), chunk);
  float* partial = nullptr;
  if (dw) partial = static_cast<float*>(context_->scratch(static_cast<std::size_t>(chunks * width) * sizeof(float)));
  cuda::run_rms_norm_backward<Scalar>(
      *context_, {dx.into.data, dx.add, partial, dy.data, x.data, w.data, inverse_rms.data, x.rows(), width, chunk});
  if (dw) cuda::add_norm_chunks(*context_, dw.data, partial, chunks, width);
}

}  // namespace transfusion
