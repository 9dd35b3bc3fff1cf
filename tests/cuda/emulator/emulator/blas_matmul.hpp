// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "emulator/blas_types.hpp"
#include "transfusion/core/bf16.hpp"

/// cublasLtMatmul: D = alpha op(A) op(B) + beta C (+ bias, one a row of D), sums in float, k from low to high.

namespace emulator::blas {

constexpr std::uint64_t workspace_wanted = 64 * 1024;

/// The algorithm remembers the alignments it was found for: real ones fault where a pointer has less.
struct algorithm {
  std::uint64_t magic, alignment[4], workspace;
};
constexpr std::uint64_t magic = 0x656d756c61746564;

inline std::size_t bytes_of(cudaDataType type) { return type == CUDA_R_16BF ? 2 : 4; }
inline float read(const void* p, cudaDataType type, std::int64_t i) {
  return type == CUDA_R_16BF ? float(static_cast<const transfusion::bf16*>(p)[i]) : static_cast<const float*>(p)[i];
}
inline void write(void* p, cudaDataType type, std::int64_t i, float x) {
  if (type == CUDA_R_16BF)
    static_cast<transfusion::bf16*>(p)[i] = transfusion::bf16(x);
  else
    static_cast<float*>(p)[i] = x;
}

inline bool well_formed(const cublasLtMatrixLayoutOpaque_t& l) {
  const auto least = static_cast<std::int64_t>(l.order == CUBLASLT_ORDER_COL ? l.rows : l.cols);
  return l.rows > 0 && l.cols > 0 && l.ld >= least && (l.type == CUDA_R_32F || l.type == CUDA_R_16BF);
}
inline std::int64_t offset(const cublasLtMatrixLayoutOpaque_t& l, std::int64_t row, std::int64_t col) {
  return l.order == CUBLASLT_ORDER_COL ? row + col * l.ld : row * l.ld + col;
}
inline std::size_t span(const cublasLtMatrixLayoutOpaque_t& l) {
  const auto last = offset(l, static_cast<std::int64_t>(l.rows) - 1, static_cast<std::int64_t>(l.cols) - 1);
  return static_cast<std::size_t>(last + (l.batches - 1) * l.batch_stride + 1) * bytes_of(l.type);
}
inline bool aligned(const void* p, std::uint64_t bytes) { return reinterpret_cast<std::uintptr_t>(p) % bytes == 0; }

/// One product, as cuBLASLt is told of it.
struct product {
  const cublasLtMatmulDescOpaque_t& how;
  const cublasLtMatrixLayoutOpaque_t &a, &b, &c, &d;

  std::int64_t m() const { return static_cast<std::int64_t>(how.a == CUBLAS_OP_N ? a.rows : a.cols); }
  std::int64_t k() const { return static_cast<std::int64_t>(how.a == CUBLAS_OP_N ? a.cols : a.rows); }
  std::int64_t n() const { return static_cast<std::int64_t>(how.b == CUBLAS_OP_N ? b.cols : b.rows); }

  cublasStatus_t status() const {
    for (const auto* l : {&a, &b, &c, &d})
      if (!well_formed(*l) || l->batches != d.batches) return CUBLAS_STATUS_INVALID_VALUE;
    const auto other_k = static_cast<std::int64_t>(how.b == CUBLAS_OP_N ? b.rows : b.cols);
    if (other_k != k() || static_cast<std::int64_t>(d.rows) != m() || static_cast<std::int64_t>(d.cols) != n() ||
        c.rows != d.rows || c.cols != d.cols)
      return CUBLAS_STATUS_INVALID_VALUE;
    const bool known = a.type == b.type && c.type == d.type && (a.type == CUDA_R_16BF || d.type == CUDA_R_32F) &&
                       how.scale == CUDA_R_32F && how.pointers == CUBLASLT_POINTER_MODE_HOST;
    return known ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  }

  void run(float alpha, const void* pa, const void* pb, float beta, const void* pc, void* pd) const {
    for (std::int64_t batch = 0; batch < d.batches; ++batch) {
      const auto wa = lines(a, pa, how.a == CUBLAS_OP_N, m(), batch);
      const auto wb = lines(b, pb, how.b != CUBLAS_OP_N, n(), batch);
      for (std::int64_t col = 0; col < n(); ++col)
        for (std::int64_t row = 0; row < m(); ++row) {
          float x = alpha * dot(wa.data() + row * k(), wb.data() + col * k());
          if (beta != 0) x += beta * read(pc, c.type, offset(c, row, col) + batch * c.batch_stride);
          write(pd, d.type, offset(d, row, col) + batch * d.batch_stride, x + bias(row));
        }
    }
  }

  bool biased() const { return how.epilogue == CUBLASLT_EPILOGUE_BIAS; }
  cudaDataType bias_type() const { return how.bias_type_given ? how.bias_type : d.type; }
  std::size_t bias_bytes() const { return d.rows * bytes_of(bias_type()); }

 private:
  /// The rows of op(A), or the columns of op(B), one after the other, in float.
  std::vector<float> lines(const cublasLtMatrixLayoutOpaque_t& l, const void* p, bool line_is_row, std::int64_t count,
                           std::int64_t batch) const {
    std::vector<float> w(static_cast<std::size_t>(count * k()));
    for (std::int64_t line = 0; line < count; ++line)
      for (std::int64_t i = 0; i < k(); ++i)
        w[static_cast<std::size_t>(line * k() + i)] =
            read(p, l.type, (line_is_row ? offset(l, line, i) : offset(l, i, line)) + batch * l.batch_stride);
    return w;
  }
  float dot(const float* x, const float* y) const {
    float sum = 0;
    for (std::int64_t i = 0; i < k(); ++i) sum += x[i] * y[i];
    return sum;
  }
  float bias(std::int64_t row) const { return biased() ? read(how.bias, bias_type(), row) : 0; }
};

}  // namespace emulator::blas

inline cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t how,
                                                     cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t preference, int requested,
                                                     cublasLtMatmulHeuristicResult_t* results, int* returned) {
  *returned = 0;
  if (!handle || requested < 1) return CUBLAS_STATUS_INVALID_VALUE;
  const auto status = emulator::blas::product{*how, *a, *b, *c, *d}.status();
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  emulator::blas::algorithm found{emulator::blas::magic, {}, 0};
  for (int i = 0; i < 4; ++i) found.alignment[i] = preference->alignment[i];
  found.workspace = preference->workspace < emulator::blas::workspace_wanted ? 0 : emulator::blas::workspace_wanted;
  results[0] = {};
  static_assert(sizeof found <= sizeof results[0].algo);
  std::memcpy(&results[0].algo, &found, sizeof found);
  results[0].workspaceSize = found.workspace;
  *returned = 1;
  return CUBLAS_STATUS_SUCCESS;
}

/// A null algorithm takes any. The workspace's needed part is overwritten.
inline cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t how, const void* alpha,
                                     const void* a, cublasLtMatrixLayout_t la, const void* b, cublasLtMatrixLayout_t lb,
                                     const void* beta, const void* c, cublasLtMatrixLayout_t lc, void* d,
                                     cublasLtMatrixLayout_t ld, const cublasLtMatmulAlgo_t* algo, void* workspace,
                                     std::size_t workspace_bytes, cudaStream_t) {
  using namespace emulator::blas;
  const product p{*how, *la, *lb, *lc, *ld};
  if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
  if (const auto status = p.status(); status != CUBLAS_STATUS_SUCCESS) return status;
  const auto inside = [](const void* x, std::size_t bytes) { return emulator::memory().holds(x, bytes); };
  const float scale = *static_cast<const float*>(alpha), add = *static_cast<const float*>(beta);
  if (!inside(a, span(*la)) || !inside(b, span(*lb)) || !inside(d, span(*ld)) || (add != 0 && !inside(c, span(*lc))))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (p.biased() && !inside(how->bias, p.bias_bytes())) return CUBLAS_STATUS_INVALID_VALUE;
  if (algo) {
    algorithm found;
    std::memcpy(&found, algo, sizeof found);
    const bool fits = found.magic == magic && aligned(a, found.alignment[0]) && aligned(b, found.alignment[1]) &&
                      (add == 0 || aligned(c, found.alignment[2])) && aligned(d, found.alignment[3]);
    if (!fits || workspace_bytes < found.workspace) return CUBLAS_STATUS_INVALID_VALUE;
    if (found.workspace > 0) {
      if (!inside(workspace, found.workspace)) return CUBLAS_STATUS_INVALID_VALUE;
      std::memset(workspace, emulator::unwritten, found.workspace);
    }
  }
  const auto run = [=, how = *how, la = *la, lb = *lb, lc = *lc, ld = *ld] {
    product{how, la, lb, lc, ld}.run(scale, a, b, add, c, d);
    emulator::memory().check_edges();
  };
  if (!emulator::captured(run)) run();
  return CUBLAS_STATUS_SUCCESS;
}
