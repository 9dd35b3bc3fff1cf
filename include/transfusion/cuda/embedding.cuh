// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cub/cub.cuh>

#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/device.cuh"
#include "transfusion/cuda/kernels/embedding.cuh"
#include "transfusion/cuda/launch.cuh"

namespace transfusion {
namespace cuda {

using embedding_key = std::uint32_t;

template <class Piece>
void copy_embeddings(detail::cuda_context& c, void* y, const void* table, const token_t* ids, index_t rows,
                     index_t pieces) {
  const index_t threads = std::min<index_t>(ceil_div(pieces, 32) * 32, 256);
  launch(c, embedding_kernel<Piece>, dim3(static_cast<unsigned>(rows)), dim3(static_cast<unsigned>(threads)), 0,
         static_cast<Piece*>(y), static_cast<const Piece*>(table), ids, pieces);
}

/// Scratch of one embedding_backward: (key, place) pairs before and after the sort, and the sort's own memory.
struct sorted_ids {
  embedding_key *keys, *places, *sorted_keys, *sorted_places;
};

/// The rows of `ids` ordered by id and, for one id, in rising order (the sort is stable); rows without id come last.
inline sorted_ids sort_ids(detail::cuda_context& c, view<const token_t, 1> ids, embedding_key none) {
  const index_t rows = ids.size();
  const int bits = static_cast<int>(std::bit_width(none));
  sorted_ids s = {};
  const auto sort = [&](void* memory, std::size_t& bytes) {
    check(cub::DeviceRadixSort::SortPairs(memory, bytes, s.keys, s.sorted_keys, s.places, s.sorted_places, rows, 0,
                                          bits, c.stream),
          "sorting token numbers");
  };
  std::size_t sort_bytes = 0;
  c.use();
  cudaGetLastError();         // an error that was reported long ago: CUB would take it for its own
  sort(nullptr, sort_bytes);  // asks for the size only
  const auto stretch = static_cast<std::size_t>(ceil_div(rows, 64)) * 64;
  auto* memory = static_cast<embedding_key*>(c.scratch(4 * stretch * sizeof(embedding_key) + sort_bytes));
  s = {memory, memory + stretch, memory + 2 * stretch, memory + 3 * stretch};
  launch(c, embedding_keys_kernel<embedding_key>, dim3(static_cast<unsigned>(ceil_div(rows, 256))), dim3(256), 0,
         s.keys, s.places, ids.data, rows, none);
  sort(memory + 4 * stretch, sort_bytes);
  return s;
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::embedding(matrix y, const_matrix table, tokens ids) {
  if (y.size() == 0) return;
  constexpr index_t lanes = 16 / sizeof(Scalar);
  const auto addresses = reinterpret_cast<std::uintptr_t>(y.data) | reinterpret_cast<std::uintptr_t>(table.data);
  if (y.cols() % lanes == 0 && addresses % 16 == 0)
    cuda::copy_embeddings<cuda::pack<Scalar, lanes>>(*context_, y.data, table.data, ids.data, y.rows(),
                                                     y.cols() / lanes);
  else
    cuda::copy_embeddings<Scalar>(*context_, y.data, table.data, ids.data, y.rows(), y.cols());
}

template <class Scalar>
void cuda_exec<Scalar>::embedding_backward(real_matrix dtable, const_matrix dy, tokens ids) {
  const index_t rows = dy.rows(), width = dy.cols();
  if (dy.size() == 0) return;
  const auto none = static_cast<cuda::embedding_key>(dtable.rows());
  const cuda::sorted_ids s = cuda::sort_ids(*context_, ids, none);
  const index_t threads = std::min<index_t>(cuda::ceil_div(width, 32) * 32, 128);
  const dim3 grid(static_cast<unsigned>(rows), static_cast<unsigned>(cuda::ceil_div(width, threads)));
  cuda::launch(*context_, cuda::embedding_backward_kernel<Scalar, cuda::embedding_key>, grid,
               dim3(static_cast<unsigned>(threads)), 0, dtable.data, dy.data, s.sorted_keys, s.sorted_places, rows,
               width, none);
}

}  // namespace transfusion
