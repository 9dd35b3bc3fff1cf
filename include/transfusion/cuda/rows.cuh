// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <cub/cub.cuh>

#include "transfusion/cuda/kernels/rows.cuh"
#include "transfusion/cuda/scratch_plan.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

inline void sort_places(detail::cuda_context& c, void* memory, std::size_t& bytes, const named_places& p,
                        index_t targets) {
  const int bits = std::bit_width(static_cast<std::uint32_t>(targets));
  check(
      cub::DeviceRadixSort::SortPairs(memory, bytes, p.rows, p.sorted, p.identity, p.order, p.count, 0, bits, c.stream),
      "sorting row numbers");
}

/// For each of `targets` rows the places in `rows` that name it, in rising order. In scratch.
inline named_places find_places(detail::cuda_context& c, view<const token_t, 1> rows, index_t count, index_t targets) {
  named_places p{reinterpret_cast<const std::uint32_t*>(rows.data), nullptr, nullptr, nullptr, nullptr, count};
  std::size_t sort_bytes = 0;
  c.use();
  cudaGetLastError();  // an error reported long ago: the sort would take it for its own
  if (count) sort_places(c, nullptr, sort_bytes, p, targets);
  scratch_plan plan;
  const std::size_t first = plan.add<std::int32_t>(targets), sorted = plan.add<std::uint32_t>(count),
                    identity = plan.add<std::uint32_t>(count), order = plan.add<std::uint32_t>(count),
                    sort = plan.add<std::byte>(static_cast<index_t>(sort_bytes));
  auto* memory = static_cast<std::byte*>(c.scratch(plan.bytes()));
  p.first = reinterpret_cast<std::int32_t*>(memory + first);
  p.sorted = reinterpret_cast<std::uint32_t*>(memory + sorted);
  p.identity = reinterpret_cast<std::uint32_t*>(memory + identity);
  p.order = reinterpret_cast<std::uint32_t*>(memory + order);
  map_all(c, targets, false, fill_map<std::int32_t>{p.first, -1});
  if (count == 0) return p;
  map_all(c, count, false, count_up_map{p.identity});
  sort_places(c, memory + sort, sort_bytes, p, targets);
  map_all(c, count, false, first_place_map{p.first, p.sorted});
  return p;
}

/// For each of `targets` rows the place in `rows` that names it, or -1. In scratch; no row is named twice.
inline const std::int32_t* find_owners(detail::cuda_context& c, view<const token_t, 1> rows, index_t count,
                                       index_t targets) {
  auto* owner = static_cast<std::int32_t*>(c.scratch(static_cast<std::size_t>(targets) * sizeof(std::int32_t)));
  map_all(c, targets, false, fill_map<std::int32_t>{owner, -1});
  map_all(c, count, false, owner_map{owner, rows.data});
  return owner;
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::gather_rows(matrix y, const_matrix x, tokens rows) {
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, x.data);
  cuda::map_rows(*context_, y.rows(), y.cols(), packed, cuda::gather_map<Scalar>{y.data, x.data, rows.data, y.cols()});
}

template <class Scalar>
void cuda_exec<Scalar>::gather_rows_backward(sink dx, const_matrix dy, tokens rows) {
  if (!dx || dx.into.size() == 0 || (dx.add && dy.rows() == 0)) return;
  const cuda::named_places places = cuda::find_places(*context_, rows, dy.rows(), dx.into.rows());
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(dx.into.data, dy.data);
  cuda::map_rows(*context_, dx.into.rows(), dx.into.cols(), packed,
                 cuda::add_named_map<Scalar>{dx.into.data, dx.add, dy.data, dx.into.cols(), places});
}

template <class Scalar>
void cuda_exec<Scalar>::scatter_rows(matrix y, const_matrix x, const_matrix s, tokens rows) {
  if (y.size() == 0) return;
  const std::int32_t* owner = cuda::find_owners(*context_, rows, s.rows(), y.rows());
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, x.data, s.data);
  cuda::map_rows(*context_, y.rows(), y.cols(), packed,
                 cuda::scatter_map<Scalar>{y.data, x.data, s.data, owner, y.cols()});
}

template <class Scalar>
void cuda_exec<Scalar>::write_rows(matrix y, const_matrix s, tokens rows) {
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, s.data);
  cuda::map_rows(*context_, s.rows(), y.cols(), packed, cuda::write_map<Scalar>{y.data, s.data, rows.data, y.cols()});
}

template <class Scalar>
void cuda_exec<Scalar>::scatter_rows_backward(sink dx, sink ds, const_matrix dy, tokens rows) {
  if (dy.size() == 0 || (!dx && !ds)) return;
  const std::int32_t* owner = cuda::find_owners(*context_, rows, rows.size(), dy.rows());
  Scalar *x = dx.into.data, *s = ds.into.data;
  const bool packed = cuda::packs_fit<cuda::lanes_of<Scalar>>(x, s, dy.data);
  const auto write = [&](Scalar* to_x, Scalar* to_s) {
    cuda::map_rows(*context_, dy.rows(), dy.cols(), packed,
                   cuda::scatter_backward_map<Scalar>{to_x, to_s, dx.add, ds.add, dy.data, owner, dy.cols()});
  };
  if (x != s) return write(x, s);
  write(x, nullptr);  // one array: the first is written before the second adds
  write(nullptr, s);
}

template <class Scalar>
void cuda_exec<Scalar>::concatenate(matrix y, const_matrix a, const_matrix b) {
  constexpr int lanes = cuda::lanes_of<Scalar>;
  const bool packed = a.cols() % lanes == 0 && cuda::packs_fit<lanes>(y.data, a.data, b.data);
  cuda::map_rows(*context_, y.rows(), y.cols(), packed,
                 cuda::concatenate_map<Scalar>{y.data, a.data, b.data, a.cols(), b.cols()});
}

template <class Scalar>
void cuda_exec<Scalar>::concatenate_backward(sink da, sink db, const_matrix dy) {
  constexpr int lanes = cuda::lanes_of<Scalar>;
  const auto take = [&](sink to, index_t first) {  // one after another: they may be one array
    if (!to) return;
    const index_t cols = to.into.cols();
    const bool packed = first % lanes == 0 && dy.cols() % lanes == 0 && cuda::packs_fit<lanes>(to.into.data, dy.data);
    cuda::map_rows(*context_, dy.rows(), cols, packed,
                   cuda::take_columns_map<Scalar>{to.into.data, to.add, dy.data, first, cols, dy.cols()});
  };
  take(da, 0);
  take(db, dy.cols() - (db ? db.into.cols() : 0));
}

}  // namespace transfusion
