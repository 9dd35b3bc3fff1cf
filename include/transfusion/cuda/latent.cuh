// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/cuda/gemm.cuh"
#include "transfusion/cuda/kernels/gaussian_sample.cuh"
#include "transfusion/cuda/kernels/map.cuh"
#include "transfusion/cuda/kernels/nearest_rows.cuh"
#include "transfusion/cuda/logit_chunks.cuh"
#include "transfusion/cuda/scratch_plan.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

/// Slices that an image's latents are cut into, from the shapes alone: one for each 2048 of the mean image.
constexpr index_t latent_slices(index_t latents, index_t images) {
  return std::clamp<index_t>(ceil_div(ceil_div(latents, images), 2048), 1, 64);
}

/// The blocks of a pass over all images.
inline dim3 latent_grid(index_t slices, index_t images) {
  return dim3(static_cast<unsigned>(slices), static_cast<unsigned>(std::min<index_t>(images, 65535)));
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::gaussian_sample(matrix z, real_vector kl, const_matrix moments, const_real_matrix noise,
                                        view<const key_interval, 1> ranges) {
  const index_t channels = z.cols(), count = ranges.size();
  cuda::map_rows(*context_, z.rows(), channels,
                 cuda::packs_fit<cuda::lanes_of<Scalar>>(z.data, moments.data, noise.data),
                 cuda::gaussian_sample_map<Scalar>{z.data, moments.data, noise.data, channels});
  if (count == 0) return;
  const index_t slices = cuda::latent_slices(z.size(), count);
  auto* partial = static_cast<float*>(context_->scratch(static_cast<std::size_t>(count * slices) * sizeof(float)));
  cuda::launch(*context_, cuda::divergence_kernel<Scalar>, cuda::latent_grid(slices, count), dim3(cuda::latent_threads),
               0, partial, moments.data, channels, ranges.data, count);
  cuda::launch(*context_, cuda::divergences_kernel<float>, dim3(static_cast<unsigned>(cuda::ceil_div(count, 128))),
               dim3(128), 0, kl.data, partial, slices, count);
}

template <class Scalar>
void cuda_exec<Scalar>::gaussian_sample_backward(sink dmoments, const_matrix dz, const_matrix moments,
                                                 const_real_matrix noise, view<const key_interval, 1> ranges,
                                                 const_real_vector weights) {
  const index_t count = ranges.size(), channels = moments.cols() / 2;
  if (!dmoments || count == 0) return;
  const cuda::gaussian_sample_operands<Scalar> o{dmoments.into.data, dmoments.add, dz.data, moments.data,
                                                 noise.data,         weights.data, channels};
  const dim3 grid = cuda::latent_grid(cuda::latent_slices(moments.size() / 2, count), count);
  cuda::launch(*context_, cuda::gaussian_sample_backward_kernel<Scalar>, grid, dim3(cuda::latent_threads), 0, o,
               ranges.data, count);
}

// The nearest row has the largest x · t - |t|² / 2: a product and a pass over its scores, chunk after chunk of rows.
template <class Scalar>
void cuda_exec<Scalar>::nearest_rows(view<token_t, 1> out, const_matrix x, const_matrix table) {
  const index_t entries = table.rows(), width = table.cols();
  if (x.rows() == 0 || entries == 0) return;
  const index_t pitch = cuda::logit_pitch(entries), chunk = cuda::logit_rows(x.rows(), entries);
  cuda::scratch_plan plan;
  const std::size_t scores_at = plan.add<float>(chunk * pitch), halves_at = plan.add<float>(entries);
  auto* memory = static_cast<std::byte*>(context_->scratch(plan.bytes()));
  auto* scores = reinterpret_cast<float*>(memory + scores_at);
  auto* halves = reinterpret_cast<float*>(memory + halves_at);
  constexpr int rows_a_block = cuda::nearest_threads / cuda::warp_threads;
  cuda::launch(*context_, cuda::half_norms_kernel<Scalar>,
               dim3(static_cast<unsigned>(cuda::ceil_div(entries, rows_a_block))), dim3(cuda::nearest_threads), 0,
               halves, table.data, entries, width);
  for (index_t first = 0; first < x.rows(); first += chunk) {
    const index_t rows = std::min(chunk, x.rows() - first);
    cuda::multiply(*context_,
                   cuda::product<Scalar, float>{
                       rows, entries, width, {x.row(first), width}, {table.data, width, true}, {scores, pitch}});
    cuda::launch(*context_, cuda::nearest_kernel<cuda::nearest_threads>, dim3(static_cast<unsigned>(rows)),
                 dim3(cuda::nearest_threads), 0, out.data + first, scores, pitch, halves, entries);
  }
}

}  // namespace transfusion
