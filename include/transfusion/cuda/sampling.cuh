// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cub/cub.cuh>

#include "transfusion/core/host_device.hpp"
#include "transfusion/cuda/kernels/map.cuh"
#include "transfusion/cuda/kernels/sampling.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

/// Logits that are sorted at once, 24 bytes of scratch each.
inline constexpr index_t sorted_logits = index_t{4} << 20;

/// Rows that are sorted at once, from the shape alone.
TRANSFUSION_HD constexpr index_t sampling_rows(index_t rows, index_t vocabulary) {
  const index_t fit = vocabulary < sorted_logits ? sorted_logits / vocabulary : 1;
  return rows < fit ? rows : fit;
}

/// What one sort reads and writes.
struct sorted_rows {
  sampling_key *keys, *sorted_keys;
  std::uint32_t *tokens, *sorted_tokens;
};

/// Stable: of two equal logits the lower token comes first.
inline void sort_logits(detail::cuda_context& c, void* memory, std::size_t& bytes, const sorted_rows& s, index_t rows,
                        index_t vocabulary) {
  const int bits = 32 + std::bit_width(static_cast<std::uint32_t>(rows - 1));
  check(cub::DeviceRadixSort::SortPairs(memory, bytes, s.keys, s.sorted_keys, s.tokens, s.sorted_tokens,
                                        static_cast<std::int32_t>(rows * vocabulary), 0, bits, c.stream),
        "sorting logits");
}

inline void sample_sorted(detail::cuda_context& c, view<token_t, 1> out, view<const float, 2> logits,
                          const text_sampling& settings, view<const float, 1> u, view<const token_t, 2> forbidden) {
  const index_t vocabulary = logits.cols(), chunk = sampling_rows(out.size(), vocabulary);
  std::size_t sort_bytes = 0;
  c.use();
  cudaGetLastError();  // an error reported long ago: the sort would take it for its own
  sort_logits(c, nullptr, sort_bytes, {}, chunk, vocabulary);
  const index_t stretch = ceil_div(chunk * vocabulary, 64) * 64;
  constexpr std::size_t each = 2 * (sizeof(sampling_key) + sizeof(std::uint32_t));
  auto* keys = static_cast<sampling_key*>(c.scratch(static_cast<std::size_t>(stretch) * each + sort_bytes));
  auto* tokens = reinterpret_cast<std::uint32_t*>(keys + 2 * stretch);
  const sorted_rows s{keys, keys + stretch, tokens, tokens + stretch};
  for (index_t first = 0; first < out.size(); first += chunk) {
    const index_t rows = std::min(chunk, out.size() - first);
    map_all(c, rows * vocabulary, false,
            sampling_key_map{s.keys, s.tokens, logits.row(first), static_cast<std::uint32_t>(vocabulary)});
    map_all(c, rows * forbidden.cols(), false, forbid_map{s.keys, forbidden.row(first), forbidden.cols(), vocabulary});
    sort_logits(c, s.sorted_tokens + stretch, sort_bytes, s, rows, vocabulary);
    auto* reach = reinterpret_cast<double*>(s.keys);  // once sorted, the unsorted keys have no more readers
    launch(c, draw_kernel<draw_threads>, dim3(static_cast<unsigned>(rows)), dim3(draw_threads), 0, out.data + first,
           s.sorted_keys, s.sorted_tokens, reach, u.data + first, vocabulary, settings);
  }
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::sample_tokens(view<token_t, 1> out, const_real_matrix logits, const text_sampling& settings,
                                      const_real_vector u, view<const token_t, 2> forbidden) {
  if (out.size() == 0) return;
  if (settings.temperature != 0 && logits.cols() > 0)
    return cuda::sample_sorted(*context_, out, logits, settings, u, forbidden);
  cuda::launch(*context_, cuda::greedy_kernel<cuda::greedy_threads>, dim3(static_cast<unsigned>(out.size())),
               dim3(cuda::greedy_threads), 0, out.data, logits.data, forbidden.data, logits.cols(), forbidden.cols());
}

}  // namespace transfusion
