// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/cuda/gemm.cuh"
#include "transfusion/cuda/kernels/cross_entropy.cuh"
#include "transfusion/cuda/logit_chunks.cuh"

namespace transfusion {
template <class Scalar>
void cuda_exec<Scalar>::cross_entropy(real_vector loss, real_vector log_z, matrix dx, real_matrix dw, const_matrix x,
                                      const_matrix w, tokens targets, const_real_vector weights, double z_weight,
                                      double smoothing) {
  const index_t width = x.cols(), vocabulary = w.rows();
  const double even = smoothing / static_cast<double>(vocabulary);
  if (x.rows() == 0) return;
  const index_t pitch = cuda::logit_pitch(vocabulary), chunk = cuda::logit_rows(x.rows(), vocabulary);
  auto* logits = static_cast<float*>(context_->scratch(static_cast<std::size_t>(chunk * pitch) * sizeof(float)));
  // The gradients take the place of the logits, each row where its logits began.
  const auto* gradients = reinterpret_cast<const Scalar*>(logits);
  const index_t gradient_pitch = pitch * static_cast<index_t>(sizeof(float) / sizeof(Scalar));

  for (index_t first = 0; first < x.rows(); first += chunk) {
    const index_t rows = std::min(chunk, x.rows() - first);
    const Scalar* inputs = x.row(first);
    cuda::multiply(*context_, cuda::product<Scalar, float>{
                                  rows, vocabulary, width, {inputs, width}, {w.data, width, true}, {logits, pitch}});
    cuda::launch(*context_, cuda::cross_entropy_kernel<Scalar, cuda::cross_entropy_threads>,
                 dim3(static_cast<unsigned>(rows)), dim3(cuda::cross_entropy_threads), 0, loss.data + first,
                 log_z.data + first, logits, pitch, vocabulary, targets.data + first,
                 dx ? weights.data + first : nullptr, static_cast<float>(z_weight), static_cast<float>(smoothing),
                 static_cast<float>(even), static_cast<float>(1 - even * static_cast<double>(vocabulary - 1)));
    if (!dx) continue;
    cuda::multiply(*context_,
                   cuda::product<Scalar, Scalar>{
                       rows, width, vocabulary, {gradients, gradient_pitch}, {w.data, width}, {dx.row(first), width}});
    if (!dw) continue;
    cuda::multiply(*context_, cuda::product<Scalar, real>{vocabulary,
                                                          width,
                                                          rows,
                                                          {gradients, gradient_pitch, true},
                                                          {inputs, width},
                                                          {dw.data, width},
                                                          nullptr,
                                                          true});
  }
}

}  // namespace transfusion
