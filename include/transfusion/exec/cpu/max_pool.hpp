// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "transfusion/core/outranks.hpp"
#include "transfusion/exec/cpu.hpp"

namespace transfusion {
namespace detail {

/// Channels that are worked on at once: they stay in the first cache.
inline constexpr index_t pooled_channels = 512;

/// largest[c] = the largest x[., c] under the taps [K] of one row, 0 without taps.
template <class Scalar>
void pool_row(view<const Scalar, 2> x, const token_t* taps, index_t each, Scalar* largest) {
  bool found = false;
  for (index_t k = 0; k < each; ++k) {
    if (taps[k] < 0) continue;
    const Scalar* from = x.row(taps[k]);
    if (!found)
      std::copy_n(from, x.cols(), largest);
    else
      for (index_t c = 0; c < x.cols(); ++c) largest[c] = outranks(from[c], largest[c]) ? from[c] : largest[c];
    found = true;
  }
  if (!found) std::fill_n(largest, x.cols(), Scalar{0});
}

/// share[c] += dy[c] where tap `own` of these taps [K] is the one whose channel was taken.
template <class Scalar>
void add_share(view<const Scalar, 2> x, const token_t* taps, index_t each, index_t own, index_t begin, index_t count,
               const Scalar* dy, Scalar* share) {
  const Scalar* mine = x.row(taps[own]) + begin;
  bool taken[pooled_channels];
  std::fill_n(taken, count, true);
  for (index_t k = 0; k < each; ++k) {
    if (k == own || taps[k] < 0) continue;
    const Scalar* other = x.row(taps[k]) + begin;
    if (k < own)
      for (index_t c = 0; c < count; ++c) taken[c] = taken[c] & outranks(mine[c], other[c]);
    else
      for (index_t c = 0; c < count; ++c) taken[c] = taken[c] & !outranks(other[c], mine[c]);
  }
  for (index_t c = 0; c < count; ++c) share[c] += taken[c] ? dy[begin + c] : Scalar{0};
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::max_pool(matrix y, const_matrix x, view<const token_t, 2> taps) {
  team_.run_pieces(y.rows(), taps.cols() * y.cols(), [&](index_t begin, index_t end) {
    for (index_t m = begin; m < end; ++m) detail::pool_row<Scalar>(x, taps.row(m), taps.cols(), y.row(m));
  });
}

template <class Scalar>
void cpu_exec<Scalar>::max_pool_backward(sink dx, const_matrix dy, const_matrix x, view<const token_t, 2> taps,
                                         view<const token_t, 2> reverse) {
  const index_t each = taps.cols();
  team_.run_pieces(x.rows(), 2 * each * x.cols(), [&](index_t first, index_t last) {
    Scalar share[detail::pooled_channels];
    for (index_t n = first; n < last; ++n)
      for (index_t begin = 0; begin < x.cols(); begin += detail::pooled_channels) {
        const index_t count = std::min(detail::pooled_channels, x.cols() - begin);
        std::fill_n(share, count, Scalar{0});
        for (index_t k = 0; k < each; ++k)
          if (const token_t m = reverse(n, k); m >= 0)
            detail::add_share<Scalar>(x, taps.row(m), each, k, begin, count, dy.row(m), share);
        Scalar* to = dx.into.row(n) + begin;
        for (index_t c = 0; c < count; ++c) to[c] = dx.add ? to[c] + share[c] : share[c];
      }
  });
}

}  // namespace transfusion
