// SPDX-License-Identifier: Apache-2.0
// The emulator's stand-ins for CUB and cuBLASLt.
#define BOOST_TEST_MODULE cuda_emulator_libraries
#include <cublasLt.h>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cub/cub.cuh>
#include <limits>
#include <numeric>
#include <vector>

#include "emulator/testing.hpp"

using namespace emulator_tests;

namespace {

/// Runs a device-wide algorithm of CUB: asks for the storage, then works.
template <class F>
void run_cub(F f) {
  std::size_t bytes = 0;
  BOOST_TEST(f(nullptr, bytes) == cudaSuccess);
  BOOST_REQUIRE(bytes > 0);
  on_device<char> storage(bytes);
  std::size_t few = bytes - 1;
  BOOST_TEST(f(storage.data(), few) == cudaErrorInvalidValue);
  BOOST_TEST(f(storage.data(), bytes) == cudaSuccess);
}

template <class Key>
void sort_as_expected(const std::vector<Key>& keys, std::vector<Key> up, std::vector<int> up_values,
                      std::vector<int> down_values, int begin, int end) {
  std::vector<int> numbers(keys.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  const int n = static_cast<int>(keys.size());
  on_device<Key> in(keys), out(keys.size());
  on_device<int> values(numbers), sorted(keys.size());
  run_cub([&](void* storage, std::size_t& bytes) {
    return cub::DeviceRadixSort::SortPairs(storage, bytes, in.data(), out.data(), values.data(), sorted.data(), n,
                                           begin, end, here.stream);
  });
  BOOST_TEST(out.read() == up, boost::test_tools::per_element());
  BOOST_TEST(sorted.read() == up_values, boost::test_tools::per_element());
  run_cub([&](void* storage, std::size_t& bytes) {
    return cub::DeviceRadixSort::SortPairsDescending(storage, bytes, in.data(), out.data(), values.data(),
                                                     sorted.data(), n, begin, end, here.stream);
  });
  BOOST_TEST(sorted.read() == down_values, boost::test_tools::per_element());
}

__global__ void block_wide(int* out) {
  using reduce = cub::BlockReduce<int, 96>;
  using scan = cub::BlockScan<int, 96>;
  __shared__ reduce::TempStorage for_sum, for_max;
  __shared__ scan::TempStorage for_scan, for_items;
  const int t = static_cast<int>(threadIdx.x);
  const int sum = reduce(for_sum).Sum(t),
            largest = reduce(for_max).Reduce(t * 7 % 96, [](int a, int b) { return a > b ? a : b; });
  int before, upto, all, items[2] = {t, 1};
  scan(for_scan).ExclusiveSum(t, before, all);
  __syncthreads();
  scan(for_scan).InclusiveSum(t, upto);
  scan(for_items).ExclusiveSum(items, items);
  if (t == 0) out[0] = sum, out[1] = largest, out[2] = all;
  out[3 + t] = before * 10000 + upto;
  out[99 + t] = items[0] * 10000 + items[1];
}

}  // namespace

BOOST_AUTO_TEST_CASE(radix_sort_is_stable_and_takes_some_bits) {
  sort_as_expected<int>({5, -2, 5, 0, -2}, {-2, -2, 0, 5, 5}, {1, 4, 3, 0, 2}, {0, 2, 3, 1, 4}, 0, 32);
  sort_as_expected<unsigned>({0x13, 0x01, 0x22, 0x12}, {0x01, 0x22, 0x12, 0x13}, {1, 2, 3, 0}, {0, 2, 3, 1}, 0, 4);
  sort_as_expected<unsigned>({0x13, 0x01, 0x22, 0x12}, {0x01, 0x13, 0x12, 0x22}, {1, 0, 3, 2}, {2, 0, 3, 1}, 4, 8);
  sort_as_expected<float>({1.5f, -3.f, 0.25f, -0.5f}, {-3.f, -0.5f, 0.25f, 1.5f}, {1, 3, 2, 0}, {0, 2, 3, 1}, 0, 32);
}
BOOST_AUTO_TEST_CASE(segments_sort_for_themselves) {
  on_device<int> in(std::vector<int>{3, 1, 2, 9, 8, 7}), out(6), values(std::vector<int>{0, 1, 2, 3, 4, 5}), sorted(6);
  on_device<int> offsets(std::vector<int>{0, 3, 3, 5});
  run_cub([&](void* storage, std::size_t& bytes) {
    return cub::DeviceSegmentedRadixSort::SortPairs(storage, bytes, in.data(), out.data(), values.data(), sorted.data(),
                                                    6, 3, offsets.data(), offsets.data() + 1);
  });
  BOOST_TEST(out.read() == (std::vector<int>{1, 2, 3, 8, 9, -1}), boost::test_tools::per_element());
  BOOST_TEST(sorted.read() == (std::vector<int>{1, 2, 0, 4, 3, -1}), boost::test_tools::per_element());
}
BOOST_AUTO_TEST_CASE(device_scans_and_sums) {
  const std::vector<int> v{3, 1, 4, 1, 5};
  on_device<int> in(v), out(5), all(1);
  run_cub([&](void* s, std::size_t& b) { return cub::DeviceScan::InclusiveSum(s, b, in.data(), out.data(), 5); });
  BOOST_TEST(out.read() == (std::vector<int>{3, 4, 8, 9, 14}), boost::test_tools::per_element());
  run_cub([&](void* s, std::size_t& b) { return cub::DeviceReduce::Sum(s, b, in.data(), all.data(), 5); });
  BOOST_TEST(all.read()[0] == 14);
  run_cub([&](void* s, std::size_t& b) { return cub::DeviceScan::ExclusiveSum(s, b, in.data(), in.data(), 5); });
  BOOST_TEST(in.read() == (std::vector<int>{0, 3, 4, 8, 9}), boost::test_tools::per_element());
}
BOOST_AUTO_TEST_CASE(block_reduce_and_scan) {
  in_all_orders([] {
    on_device<int> out(195);
    launch(here, block_wide, dim3(1), dim3(96), 0, out.data());
    const auto f = out.read();
    BOOST_TEST(f[0] == 95 * 48);
    BOOST_TEST(f[1] == 95);
    BOOST_TEST(f[2] == 95 * 48);
    for (int t = 0; t < 96; ++t) {
      const int before = t * (t - 1) / 2;
      BOOST_TEST(f[3 + t] == before * 10000 + before + t);
      BOOST_TEST(f[99 + t] == (before + t) * 10000 + before + 2 * t);
    }
  });
}

// --- cuBLASLt ---
namespace {

template <class T>
constexpr cudaDataType type_of = std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16BF;

struct blas {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t how = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  blas() {
    cublasLtCreate(&handle);
    cublasLtMatmulDescCreate(&how, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    cublasLtMatmulPreferenceCreate(&preference);
    const std::size_t workspace = 1 << 20;
    cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, 8);
  }
  ~blas() {
    cublasLtMatmulPreferenceDestroy(preference);
    cublasLtMatmulDescDestroy(how);
    cublasLtDestroy(handle);
  }
  template <class V>
  void set(cublasLtMatmulDescAttributes_t attribute, V value) {
    BOOST_REQUIRE(cublasLtMatmulDescSetAttribute(how, attribute, &value, sizeof value) == CUBLAS_STATUS_SUCCESS);
  }
};

struct layout {
  cublasLtMatrixLayout_t l = nullptr;
  layout(cudaDataType type, int rows, int cols, int ld) {
    cublasLtMatrixLayoutCreate(&l, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols), ld);
  }
  ~layout() { cublasLtMatrixLayoutDestroy(l); }
};

constexpr int m = 5, n = 7, k = 9, gap = 3;  // leading dimensions are `gap` longer than need be

/// Element (i, j) of op(X) of a column-major X.
float at(const values<float>& x, bool transposed, int rows, int cols, int i, int j) {
  return transposed ? x[j + i * (cols + gap)] : x[i + j * (rows + gap)];
}

template <class In, class Out>
void multiplies(bool ta, bool tb, bool bias, float beta) {
  const auto a = random_floats(200, 1), b = random_floats(200, 2), c = random_floats((m + gap) * n, 3),
             v = random_floats(m, 4);
  on_device<In> da(std::vector<In>(a.begin(), a.end())), db(std::vector<In>(b.begin(), b.end()));
  on_device<Out> dc(std::vector<Out>(c.begin(), c.end())), dv(std::vector<Out>(v.begin(), v.end()));
  on_device<char> workspace(1 << 20);
  blas lib;
  lib.set(CUBLASLT_MATMUL_DESC_TRANSA, ta ? CUBLAS_OP_T : CUBLAS_OP_N);
  lib.set(CUBLASLT_MATMUL_DESC_TRANSB, tb ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (bias) {
    lib.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    lib.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(dv.data()));
  }
  const layout la(type_of<In>, ta ? k : m, ta ? m : k, (ta ? k : m) + gap);
  const layout lb(type_of<In>, tb ? n : k, tb ? k : n, (tb ? n : k) + gap);
  const layout lc(type_of<Out>, m, n, m + gap);
  cublasLtMatmulHeuristicResult_t found;
  int count = 0;
  BOOST_REQUIRE(cublasLtMatmulAlgoGetHeuristic(lib.handle, lib.how, la.l, lb.l, lc.l, lc.l, lib.preference, 1, &found,
                                               &count) == CUBLAS_STATUS_SUCCESS);
  BOOST_REQUIRE(count == 1);
  const float alpha = 0.5f;
  const auto run = [&](std::size_t workspace_bytes) {
    return cublasLtMatmul(lib.handle, lib.how, &alpha, da.data(), la.l, db.data(), lb.l, &beta, dc.data(), lc.l,
                          dc.data(), lc.l, &found.algo, workspace.data(), workspace_bytes, here.stream);
  };
  BOOST_TEST(run(found.workspaceSize - 1) == CUBLAS_STATUS_INVALID_VALUE);
  BOOST_REQUIRE(run(found.workspaceSize) == CUBLAS_STATUS_SUCCESS);
  const auto d = dc.read();
  const double tolerance = std::is_same_v<Out, float> ? 2e-6 : 1.0 / 256;
  for (int col = 0; col < n; ++col)
    for (int row = 0; row < m + gap; ++row) {
      const int i = row + col * (m + gap);
      double expected = c[i];
      if (row < m) {
        expected *= beta;
        for (int j = 0; j < k; ++j) expected += 0.5 * at(a, ta, m, k, row, j) * at(b, tb, k, n, j, col);
        if (bias) expected += v[row];
      }
      BOOST_TEST(std::abs(static_cast<double>(float(d[i])) - expected) <= tolerance * (1 + std::abs(expected)));
    }
}

template <class In, class Out>
void multiplies_in_all_ways() {
  for (bool ta : {false, true})
    for (bool tb : {false, true})
      for (bool bias : {false, true})
        for (float beta : {0.f, 1.f, -2.f}) multiplies<In, Out>(ta, tb, bias, beta);
}

}  // namespace

BOOST_AUTO_TEST_CASE(matmul_float) { multiplies_in_all_ways<float, float>(); }
BOOST_AUTO_TEST_CASE(matmul_bf16) { multiplies_in_all_ways<bf16, bf16>(); }
BOOST_AUTO_TEST_CASE(matmul_bf16_to_float) { multiplies_in_all_ways<bf16, float>(); }
BOOST_AUTO_TEST_CASE(matmul_without_beta_does_not_read_c) {
  on_device<float> a(std::vector<float>{2}), b(std::vector<float>{3}), d(1);
  blas lib;
  const layout one(CUDA_R_32F, 1, 1, 1);
  const float alpha = 1, beta = 0;
  const auto run = [&](const float* left) {
    return cublasLtMatmul(lib.handle, lib.how, &alpha, left, one.l, b.data(), one.l, &beta, d.data(), one.l, d.data(),
                          one.l, nullptr, nullptr, 0, nullptr);
  };
  BOOST_TEST(run(a.data()) == CUBLAS_STATUS_SUCCESS);
  BOOST_TEST(d.read()[0] == 6.f);
  BOOST_TEST(run(a.data() + 1) == CUBLAS_STATUS_INVALID_VALUE);  // past the end of its block
}
BOOST_AUTO_TEST_CASE(matmul_refuses_what_does_not_fit) {
  blas lib;
  cublasLtMatmulHeuristicResult_t found;
  int count;
  const auto ask = [&](const layout& a, const layout& b, const layout& d) {
    return cublasLtMatmulAlgoGetHeuristic(lib.handle, lib.how, a.l, b.l, d.l, d.l, lib.preference, 1, &found, &count);
  };
  const layout mk(CUDA_R_32F, m, k, m), kn(CUDA_R_32F, k, n, k), mn(CUDA_R_32F, m, n, m),
      short_ld(CUDA_R_32F, m, k, m - 1);
  const layout half_mn(CUDA_R_16BF, m, n, m);
  BOOST_TEST(ask(mk, kn, mn) == CUBLAS_STATUS_SUCCESS);
  BOOST_TEST(ask(mk, mn, mn) == CUBLAS_STATUS_INVALID_VALUE);
  BOOST_TEST(ask(short_ld, kn, mn) == CUBLAS_STATUS_INVALID_VALUE);
  BOOST_TEST(ask(mk, kn, half_mn) == CUBLAS_STATUS_NOT_SUPPORTED);
  BOOST_TEST(count == 0);
}
