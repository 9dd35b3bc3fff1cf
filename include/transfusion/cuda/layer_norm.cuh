// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/cuda/kernels/layer_norm.cuh"
#include "transfusion/cuda/kernels/layer_norm_backward.cuh"
#include "transfusion/cuda/kernels/norm_launch.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

template <class T>
struct layer_norm_kernels {
  using kernel = void (*)(layer_norm_operands<T>);
  template <int Lanes, int Packs, int Threads>
  static kernel packed() {
    return layer_norm_kernel<T, Lanes, Packs, Threads>;
  }
  template <int Threads>
  static kernel any() {
    return layer_norm_any_kernel<T, Threads>;
  }
};

template <class T>
void run_layer_norm(detail::cuda_context& c, const layer_norm_operands<T>& o) {
  constexpr int lanes = lanes_of<T>;
  launch_norm<layer_norm_kernels<T>, lanes>(c, packs_fit<lanes>(o.y, o.x, o.w, o.b), o);
}

/// The parts apart, for widths and addresses that the registers or packs do not allow.
template <class T>
void run_layer_norm_backward_any(detail::cuda_context& c, const layer_norm_backward_operands<T>& o) {
  constexpr int warp = warp_threads, block = norm_block;
  if (o.dx && o.width <= widest_row_of_a_warp) launch_by_rows<warp>(c, layer_norm_dx_any_kernel<T, warp>, o);
  if (o.dx && o.width > widest_row_of_a_warp) launch_by_rows<block>(c, layer_norm_dx_any_kernel<T, block>, o);
  const dim3 grid(static_cast<unsigned>(ceil_div(o.rows, o.chunk)), static_cast<unsigned>(ceil_div(o.width, block)));
  if (o.partial_dw || o.partial_db) launch(c, layer_norm_sums_any_kernel<T>, grid, dim3(block), 0, o);
}

template <class T>
void run_layer_norm_backward(detail::cuda_context& c, const layer_norm_backward_operands<T>& o) {
  constexpr int lanes = lanes_of<T>, warp = warp_threads;
  const index_t packs = o.width / lanes;
  const bool packed = o.width % lanes == 0 && packs_fit<lanes>(o.dx, o.partial_dw, o.partial_db, o.dy, o.x, o.w);
  if (!packed || packs > 1024) return run_layer_norm_backward_any(c, o);
  if (packs <= warp) return launch_by_chunks<warp, 4>(c, layer_norm_backward_kernel<T, lanes, 1, warp, 4>, o);
  if (packs <= 2 * warp) return launch_by_chunks<warp, 4>(c, layer_norm_backward_kernel<T, lanes, 2, warp, 4>, o);
  if (packs <= 128) return launch_by_chunks<128, 1>(c, layer_norm_backward_kernel<T, lanes, 1, 128, 1>, o);
  if (packs <= 256) return launch_by_chunks<256, 1>(c, layer_norm_backward_kernel<T, lanes, 1, 256, 1>, o);
  if (packs <= 512) return launch_by_chunks<256, 1>(c, layer_norm_backward_kernel<T, lanes, 2, 256, 1>, o);
  launch_by_chunks<512, 1>(c, layer_norm_backward_kernel<T, lanes, 2, 512, 1>, o);
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::layer_norm(matrix y, real_matrix stats, const_matrix x, const_real_vector w,
                                   const_real_vector b, double epsilon) {
  if (x.size() == 0) return;
  cuda::run_layer_norm<Scalar>(
      *context_, {y.data, stats.data, x.data, w.data, b.data, x.rows(), x.cols(), static_cast<float>(epsilon)});
}

template <class Scalar>
void cuda_exec<Scalar>::layer_norm_backward(sink dx, real_vector dw, real_vector db, const_matrix dy, const_matrix x,
                                            const_real_vector w, const_real_matrix stats) {
  if (x.size() == 0 || (!dx && !dw && !db)) return;
  const index_t width = x.cols(), chunk = cuda::norm_chunk(x.rows(), width), chunks = cuda::ceil_div(x.rows(), chunk);
  const index_t stretch = cuda::ceil_div(chunks * width, 64) * 64;
  float* partial = nullptr;
  if (dw || db) partial = static_cast<float*>(context_->scratch(static_cast<std::size_t>(2 * stretch) * sizeof(float)));
  float *partial_dw = dw ? partial : nullptr, *partial_db = db ? partial + stretch : nullptr;
  cuda::run_layer_norm_backward<Scalar>(*context_, {dx.into.data, dx.add, partial_dw, partial_db, dy.data, x.data,
                                                    w.data, stats.data, x.rows(), width, chunk});
  if (dw) cuda::add_norm_chunks(*context_, dw.data, partial_dw, chunks, width);
  if (db) cuda::add_norm_chunks(*context_, db.data, partial_db, chunks, width);
}

}  // namespace transfusion
