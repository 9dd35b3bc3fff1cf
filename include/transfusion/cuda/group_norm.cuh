// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <type_traits>

#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/kernels/group_norm.cuh"
#include "transfusion/cuda/kernels/norm_launch.cuh"
#include "transfusion/cuda/scratch_plan.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion {
namespace cuda {

/// How the blocks of one pass over all images lie.
struct group_grid {
  dim3 grid, block;
};

/// Packs of a row that one block takes: all, or equal parts.
constexpr index_t packs_across(index_t packs) { return ceil_div(packs, ceil_div(packs, group_threads)); }

/// Slices an image is cut into, from the shapes alone: such that a thread has four rows of the mean image.
constexpr index_t group_slices(index_t rows, index_t images, index_t packs) {
  const index_t at_a_time = group_threads / packs_across(packs);
  return std::clamp<index_t>(ceil_div(ceil_div(rows, images), 4 * at_a_time), 1, 256);
}

inline group_grid grid_of(const group_layout& l, index_t packs) {
  const index_t across = packs_across(packs), images = std::min<index_t>(l.images, 65535);
  return {dim3(static_cast<unsigned>(l.slices), static_cast<unsigned>(images),
               static_cast<unsigned>(ceil_div(packs, across))),
          dim3(static_cast<unsigned>(across), static_cast<unsigned>(group_threads / across))};
}

/// Calls f with the widest pack, at most a whole one of T, that a group's columns and all addresses allow.
template <class T, class F>
void with_group_lanes(index_t group_width, bool aligned, F f) {
  if constexpr (lanes_of<T> >= 8)
    if (aligned && group_width % 8 == 0) return f(std::integral_constant<int, 8>());
  if (aligned && group_width % 4 == 0) return f(std::integral_constant<int, 4>());
  f(std::integral_constant<int, 1>());
}

template <int Lanes, class Terms>
void add_slices(detail::cuda_context& c, const group_layout& l, const Terms& terms, float* partial) {
  const group_grid g = grid_of(l, l.width / Lanes);
  launch(c, slice_sums_kernel<Lanes, Terms>, g.grid, g.block, 0, l, terms, partial);
}
template <int Lanes, class Map>
void map_slices(detail::cuda_context& c, const group_layout& l, const Map& map) {
  const group_grid g = grid_of(l, l.width / Lanes);
  launch(c, map_slices_kernel<Lanes, Map>, g.grid, g.block, 0, l, map);
}

inline dim3 group_blocks(const group_layout& l) {
  return dim3(static_cast<unsigned>(ceil_div(l.images * l.groups, group_warps)));
}

template <class T, int Lanes>
void run_group_norm(detail::cuda_context& c, group_layout l, index_t rows, const group_norm_map<T>& map, float* stats,
                    float epsilon) {
  l.slices = group_slices(rows, l.images, l.width / Lanes);
  auto* partial =
      static_cast<float*>(c.scratch(static_cast<std::size_t>(2 * l.images * l.slices * l.width) * sizeof(float)));
  add_slices<Lanes>(c, l, group_moments<T>{map.x}, partial);
  launch(c, group_stats_kernel<T>, group_blocks(l), dim3(warp_threads, group_warps), 0, l, map.x, partial, stats,
         epsilon);
  map_slices<Lanes>(c, l, map);
}

template <class T, int Lanes>
void run_group_norm_backward(detail::cuda_context& c, group_layout l, index_t rows, group_norm_backward_map<T> map,
                             float* dw, float* db) {
  l.slices = group_slices(rows, l.images, l.width / Lanes);
  const index_t chunks = l.images * l.slices;
  scratch_plan plan;
  const std::size_t sums = plan.add<float>(2 * chunks * l.width), means = plan.add<float>(2 * l.images * l.groups);
  auto* memory = static_cast<std::byte*>(c.scratch(plan.bytes()));
  auto* partial = reinterpret_cast<float*>(memory + sums);
  add_slices<Lanes>(c, l, group_products<T>{map.dy, map.x, map.stats}, partial);
  if (db) add_norm_chunks(c, db, partial, chunks, l.width);
  if (dw) add_norm_chunks(c, dw, partial + chunks * l.width, chunks, l.width);
  if (!map.dx) return;
  auto* of_groups = reinterpret_cast<float*>(memory + means);
  launch(c, group_means_kernel<float>, group_blocks(l), dim3(warp_threads, group_warps), 0, l, map.w, partial,
         of_groups);
  map.means = of_groups;
  map_slices<Lanes>(c, l, map);
}

}  // namespace cuda

template <class Scalar>
void cuda_exec<Scalar>::group_norm(matrix y, real_matrix stats, const_matrix x, const_real_vector w,
                                   const_real_vector b, view<const key_interval, 1> ranges, index_t groups,
                                   double epsilon) {
  if (x.size() == 0 || ranges.size() == 0) return;
  const cuda::group_layout layout{ranges.data, ranges.size(), x.cols(), groups, 1};
  const bool aligned = cuda::packs_fit<cuda::lanes_of<Scalar>>(y.data, x.data, w.data, b.data);
  cuda::with_group_lanes<Scalar>(x.cols() / groups, aligned, [&](auto lanes) {
    cuda::run_group_norm<Scalar, decltype(lanes)::value>(*context_, layout, x.rows(),
                                                         {y.data, x.data, stats.data, w.data, b.data}, stats.data,
                                                         static_cast<float>(epsilon));
  });
}

template <class Scalar>
void cuda_exec<Scalar>::group_norm_backward(sink dx, real_vector dw, real_vector db, const_matrix dy, const_matrix x,
                                            const_real_vector w, const_real_matrix stats,
                                            view<const key_interval, 1> ranges, index_t groups) {
  if (x.size() == 0 || ranges.size() == 0 || (!dx && !dw && !db)) return;
  const cuda::group_layout layout{ranges.data, ranges.size(), x.cols(), groups, 1};
  const bool aligned = cuda::packs_fit<cuda::lanes_of<Scalar>>(dx.into.data, dy.data, x.data, w.data);
  cuda::with_group_lanes<Scalar>(x.cols() / groups, aligned, [&](auto lanes) {
    cuda::run_group_norm_backward<Scalar, decltype(lanes)::value>(
        *context_, layout, x.rows(), {dx.into.data, dx.add, dy.data, x.data, stats.data, w.data, nullptr}, dw.data,
        db.data);
  });
}

}  // namespace transfusion
