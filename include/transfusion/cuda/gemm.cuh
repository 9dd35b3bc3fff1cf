// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/launch.cuh"

namespace transfusion::cuda {

/// A row-major operand: rows `pitch` elements apart. Transposed: what stands in memory is its transpose.
template <class T>
struct operand {
  T* data;
  index_t pitch;
  bool transposed = false;
};

/// out[rows, cols] = (add: +=) left[rows, inner] right[inner, cols] + bias[cols], sums in float. Null bias: none.
template <class T, class Out>
struct product {
  index_t rows, cols, inner;
  operand<const T> left, right;
  operand<Out> out;
  const T* bias = nullptr;
  bool add = false;
};

template <class T>
__device__ float element_or_zero(const operand<const T>& m, index_t row, index_t col, index_t rows, index_t cols) {
  if (row >= rows || col >= cols) return 0;
  return static_cast<float>(m.transposed ? m.data[col * m.pitch + row] : m.data[row * m.pitch + col]);
}

inline constexpr int product_tile = 16;

/// The plain product, for what cuBLASLt has no algorithm for: correct for every shape and alignment, not fast.
template <class T, class Out>
__global__ void __launch_bounds__(product_tile* product_tile) tiled_product_kernel(product<T, Out> p) {
  __shared__ float left[product_tile][product_tile + 1];
  __shared__ float right[product_tile][product_tile + 1];
  const index_t across = ceil_div(p.cols, product_tile);
  const int y = static_cast<int>(threadIdx.y), x = static_cast<int>(threadIdx.x);
  const index_t row = blockIdx.x / across * product_tile + y, col = blockIdx.x % across * product_tile + x;
  float sum = 0;
  for (index_t k = 0; k < p.inner; k += product_tile) {
    left[y][x] = element_or_zero(p.left, row, k + x, p.rows, p.inner);
    right[y][x] = element_or_zero(p.right, k + y, col, p.inner, p.cols);
    __syncthreads();
    for (int i = 0; i < product_tile; ++i) sum = fmaf(left[y][i], right[i][x], sum);
    __syncthreads();
  }
  if (row >= p.rows || col >= p.cols) return;
  Out& out = p.out.data[row * p.out.pitch + col];
  if (p.bias) sum += static_cast<float>(p.bias[col]);
  out = static_cast<Out>(p.add ? static_cast<float>(out) + sum : sum);
}

template <class T, class Out>
void tiled_product(detail::cuda_context& c, const product<T, Out>& p) {
  const index_t tiles = ceil_div(p.rows, product_tile) * ceil_div(p.cols, product_tile);
  launch(c, tiled_product_kernel<T, Out>, dim3(static_cast<unsigned>(tiles)), dim3(product_tile, product_tile), 0, p);
}

inline void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw device_error(detail::message("cuBLASLt: status ", static_cast<int>(status), " while ", what));
}

template <class T>
constexpr cudaDataType_t data_type() {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, bf16>);
  return std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16BF;
}

/// The largest power of two up to 16 that divides the address: no algorithm asks for more, and where memory lies within
/// a step must not decide which one is taken.
inline std::uint32_t alignment_of(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p) | 16;
  return std::uint32_t{1} << std::countr_zero(address);
}

template <class T, class Out>
detail::matmul_key key_of(const product<T, Out>& p) {
  return {p.rows,
          p.cols,
          p.inner,
          p.left.pitch,
          p.right.pitch,
          p.out.pitch,
          data_type<T>(),
          data_type<Out>(),
          p.left.transposed,
          p.right.transposed,
          p.bias != nullptr,
          alignment_of(p.left.data),
          alignment_of(p.right.data),
          alignment_of(p.out.data)};
}

template <class Value>
void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t name, const Value& value) {
  check(cublasLtMatmulDescSetAttribute(operation, name, &value, sizeof value), "describing a product");
}
template <class Value>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t name, const Value& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference, name, &value, sizeof value), "stating a preference");
}

/// The layout of a row-major [rows, cols] as the column-major matrix that cuBLASLt takes it for.
inline void describe(cublasLtMatrixLayout_t& layout, cudaDataType_t type, index_t rows, index_t cols, index_t pitch) {
  check(cublasLtMatrixLayoutCreate(&layout, type, static_cast<std::uint64_t>(cols), static_cast<std::uint64_t>(rows),
                                   pitch),
        "describing a matrix");
}

/// Asks for an algorithm whose partial sums stay in float.
inline void choose_algorithm(detail::cuda_context& c, detail::matmul_plan& plan, const detail::matmul_key& k) {
  cublasLtMatmulPreference_t preference = nullptr;
  check(cublasLtMatmulPreferenceCreate(&preference), "stating a preference");
  struct closer {
    cublasLtMatmulPreference_t p;
    ~closer() { cublasLtMatmulPreferenceDestroy(p); }
  } close{preference};
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, detail::cuda_context::workspace_bytes);
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      std::uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE} | std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, k.right_alignment);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, k.left_alignment);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, k.out_alignment);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, k.out_alignment);
  cublasLtMatmulHeuristicResult_t result = {};
  int found = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(c.blas, plan.operation, plan.right, plan.left, plan.out,
                                                               plan.out, preference, 1, &result, &found);
  plan.usable = status == CUBLAS_STATUS_SUCCESS && found > 0 && result.state == CUBLAS_STATUS_SUCCESS;
  plan.algorithm = result.algo;
}

/// Row-major out = left right is column-major out' = right' left': the operands change places, nothing is moved.
inline void make_plan(detail::cuda_context& c, detail::matmul_plan& plan, const detail::matmul_key& k,
                      const void* bias) {
  check(cublasLtMatmulDescCreate(&plan.operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
  set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSA, k.right_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(plan.operation, CUBLASLT_MATMUL_DESC_TRANSB, k.left_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (bias) {
    set(plan.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  const auto stored = [&](cublasLtMatrixLayout_t& layout, bool transposed, index_t rows, index_t cols, index_t pitch) {
    describe(layout, k.in, transposed ? cols : rows, transposed ? rows : cols, pitch);
  };
  stored(plan.left, k.left_transposed, k.rows, k.inner, k.left_pitch);
  stored(plan.right, k.right_transposed, k.inner, k.cols, k.right_pitch);
  describe(plan.out, k.out, k.rows, k.cols, k.out_pitch);
  choose_algorithm(c, plan, k);
}

inline detail::matmul_plan& plan_for(detail::cuda_context& c, const detail::matmul_key& k, const void* bias) {
  if (const auto known = c.plans.find(k); known != c.plans.end()) return known->second;
  if (c.plans.size() >= detail::cuda_context::most_plans) c.plans.clear();  // batches of ever new lengths
  const auto made = c.plans.try_emplace(k).first;
  try {
    make_plan(c, made->second, k, bias);
  } catch (...) {
    c.plans.erase(made);
    throw;
  }
  return made->second;
}

/// Runs one product; a bias must be 16-byte aligned. Where the result is empty nothing happens.
template <class T, class Out>
void multiply(detail::cuda_context& c, const product<T, Out>& p) {
  if (p.rows == 0 || p.cols == 0 || (p.inner == 0 && p.add)) return;
  if (p.inner == 0) return tiled_product(c, p);
  c.use();
  detail::matmul_plan& plan = plan_for(c, key_of(p), p.bias);
  if (!plan.usable) return tiled_product(c, p);
  if (c.recorder.now != detail::cuda_recorder::mode::off) {
    std::uint64_t what = static_cast<std::uint64_t>(p.add);
    for (const void* operand : std::initializer_list<const void*>{p.left.data, p.right.data, p.out.data, p.bias})
      what = detail::mixed(what, launch_detail::trace_of(operand));
    for (index_t extent : std::initializer_list<index_t>{p.rows, p.cols, p.inner})
      what = detail::mixed(what, static_cast<std::uint64_t>(extent));
    if (c.recorder.skips(what)) return;
  }
  if (p.bias) set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(p.bias));
  const float alpha = 1, beta = p.add ? 1.0f : 0.0f;
  const cublasStatus_t status = cublasLtMatmul(
      c.blas, plan.operation, &alpha, p.right.data, plan.right, p.left.data, plan.left, &beta, p.out.data, plan.out,
      p.out.data, plan.out, &plan.algorithm, c.workspace, detail::cuda_context::workspace_bytes, c.stream);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) {  // what the heuristic offers is not always taken
    plan.usable = false;
    return tiled_product(c, p);
  }
  check(status, "multiplying matrices");
}

}  // namespace transfusion::cuda
