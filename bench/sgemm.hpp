// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "transfusion/exec/cpu/eigen.hpp"
#include "transfusion/exec/cpu/product.hpp"
#include "transfusion/exec/cpu/team.hpp"

#if defined(BENCH_HAS_BLAS) && !TRANSFUSION_USE_BLAS
extern "C" {
void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*,
            const float*, const int*, const float*, float*, const int*);
void openblas_set_num_threads(int) __attribute__((weak));  // present in OpenBLAS only
}
#endif

// What this machine's matrix product reaches, measured in the run that reports shares of it.
namespace bench {

using namespace transfusion;

/// All cores, or as many as TRANSFUSION_THREADS says.
inline int threads() {
  const char* wanted = std::getenv("TRANSFUSION_THREADS");
  return wanted ? std::atoi(wanted) : 0;
}

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// GFLOP/s of square single-threaded products, one on every thread at once: the best of several.
template <class Product>
double product_rate(int threads, index_t extent, const Product& product) {
  const detail::cpu_team team(threads);
  const auto count = static_cast<std::size_t>(extent * extent);
  std::vector<std::vector<float>> a, b, c;
  for (int t = 0; t < threads; ++t) {
    a.emplace_back(count, 0.5f);
    b.emplace_back(count, 0.25f);
    c.emplace_back(count, 0.0f);
  }
  double best = 0;
  for (int repeat = 0; repeat < 6; ++repeat) {
    const double start = seconds();
    team.run(threads, [&](index_t t, int) {
      const auto i = static_cast<std::size_t>(t);
      product(extent, a[i].data(), b[i].data(), c[i].data());
    });
    const double n = static_cast<double>(extent);
    best = std::max(best, 2 * n * n * n * threads / (seconds() - start) * 1e-9);
  }
  return best;
}

/// Eigen's own operator, one product on one thread.
inline double eigen_rate(int threads, index_t extent) {
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::setNbThreads(1);
  return product_rate(threads, extent, [](index_t n, const float* a, const float* b, float* c) {
    Eigen::Map<matrix>(c, n, n).noalias() =
        Eigen::Map<const matrix>(a, n, n) * Eigen::Map<const matrix>(b, n, n).transpose();
  });
}

#ifdef BENCH_HAS_BLAS
inline double blas_rate(int threads, index_t extent) {
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);  // the team brings the threads
  return product_rate(threads, extent, [](index_t n, const float* a, const float* b, float* c) {
    const int size = static_cast<int>(n);
    const float one = 1, zero = 0;
    sgemm_("T", "N", &size, &size, &size, &one, b, &size, a, &size, &zero, c, &size);
  });
}
#else
inline double blas_rate(int, index_t) { return 0; }
#endif

/// The library's own product, called raw on one thread; where a BLAS is linked, that is the BLAS.
inline double own_rate(int threads, index_t extent) {
  return product_rate(threads, extent, [](index_t n, const float* a, const float* b, float* c) {
    alignas(64) static thread_local float packing[detail::packing_elements];
    detail::product<float>(n, n, n, {a, n}, {b, n, true}, false, c, n, packing);
  });
}

/// The fastest raw sgemm here on `threads` threads, in GFLOP/s; measured once a run.
inline double sgemm(int threads) {
  static double best = 0;
  static int measured = 0;
  if (measured == threads) return best;
  double eigen = 0, blas = 0, own = 0;
  for (const index_t extent : {1024, 2048}) {
    eigen = std::max(eigen, eigen_rate(threads, extent));
    blas = std::max(blas, blas_rate(threads, extent));
    own = std::max(own, own_rate(threads, extent));
  }
  std::printf("sgemm on %d threads: Eigen %.0f GFLOP/s, BLAS %.0f, ours %.0f\n", threads, eigen, blas, own);
  measured = threads;
  return best = std::max({eigen, blas, own});
}

/// Reports the rate of `flops` operations an iteration, and its share of sgemm.
inline void report(benchmark::State& state, double flops, int threads) {
  const double total = flops * static_cast<double>(state.iterations()) * 1e-9;
  state.counters["GFLOP/s"] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  state.counters["of_sgemm"] = benchmark::Counter(total / sgemm(threads), benchmark::Counter::kIsRate);
}

/// `count` numbers between -1 and 1, the same in every run.
inline std::vector<float> numbers(index_t count, unsigned seed) {
  std::vector<float> x(static_cast<std::size_t>(count));
  std::uint32_t state = seed * 2654435761u + 1;
  for (float& v : x) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<float>(state >> 8) * 0x1p-23f - 1;
  }
  return x;
}

}  // namespace bench
