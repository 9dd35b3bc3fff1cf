// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/view.hpp"
#include "transfusion/metric/eigen.hpp"
#include "transfusion/metric/item_scores.hpp"

namespace transfusion {

/// A score is weight · cos, or weight · max(cos, 0).
struct similarity_options {
  double weight = 100;
  bool below_zero = true;  ///< false: a negative cosine scores 0
};

/// CLIPScore of Hessel et al. 2021, Eq. 1.
inline constexpr similarity_options hessel_clip_score{.weight = 2.5, .below_zero = false};

namespace detail {

/// Row n of [N, F] in double, of length 1.
template <class T>
Eigen::VectorXd unit_row(std::string_view what, view<const T, 2> x, index_t n) {
  const Eigen::VectorXd row =
      Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(x.row(n), x.cols()).template cast<double>();
  const double norm = row.stableNorm();
  require<numeric_error>(norm > 0 && row.allFinite(), what, ": row ", n, ": found a length of ", norm,
                         ", expected a finite one > 0");
  return row / norm;
}

/// The rows of [N, F] as the columns of [F, N].
template <class T>
Eigen::MatrixXd unit_columns(std::string_view what, view<const T, 2> x) {
  Eigen::MatrixXd columns(x.cols(), x.rows());
  for (index_t n = 0; n < x.rows(); ++n) columns.col(n) = unit_row(what, x, n);
  return columns;
}

template <class T>
void check_pairs(view<const T, 2> images, view<const T, 2> texts) {
  require_extent("similarity: texts", texts.rows(), images.rows());
  require_extent("similarity: width of the texts", texts.cols(), images.cols());
  require<config_error>(images.size() > 0, "similarity: found no embedding, expected 1 pair at least");
}

}  // namespace detail

/// The similarity of each image to its text in the common space of a paired embedder such as CLIP: [N, F] of both, on
/// the host, of any length but 0. Throws shape_error where the two differ in extents, numeric_error on a vector that is
/// zero or not finite.
template <class T>
item_scores paired_similarity(view<const T, 2> images, view<const T, 2> texts, similarity_options o = {}) {
  detail::check_pairs(images, texts);
  std::vector<double> scores;
  for (index_t n = 0; n < images.rows(); ++n) {
    const double cosine = detail::unit_row("images", images, n).dot(detail::unit_row("texts", texts, n));
    scores.push_back(o.weight * (o.below_zero ? cosine : std::max(cosine, 0.0)));
  }
  return item_scores::of(std::move(scores));
}

/// Recall at k: 1 for each row of `queries` [N, F] that has fewer than k rows of `keys` [N, F], its own apart, at least
/// as similar as its own (of the same number), else 0. So a constant embedder recalls nothing. Throws as
/// `paired_similarity`, and config_error on k < 1.
template <class T>
item_scores retrieval_recall(view<const T, 2> queries, view<const T, 2> keys, index_t k = 1) {
  constexpr double rounding = 1e-12;  // of a cosine: equal vectors are equally similar
  constexpr index_t together = 64;    // bounds the memory
  detail::check_pairs(queries, keys);
  require<config_error>(k > 0, "retrieval_recall: k: found ", k, ", expected > 0");
  const Eigen::MatrixXd from = detail::unit_columns("queries", queries), to = detail::unit_columns("keys", keys);
  std::vector<double> hits;
  for (index_t begin = 0; begin < queries.rows(); begin += together) {
    const index_t count = std::min(together, queries.rows() - begin);
    const Eigen::MatrixXd cosines = to.transpose() * from.middleCols(begin, count);
    for (index_t i = 0; i < count; ++i) {
      const double own = cosines(begin + i, i);
      const index_t rivals = (cosines.col(i).array() >= own - rounding).count() - 1;
      hits.push_back(rivals < k ? 1 : 0);
    }
  }
  return item_scores::of(std::move(hits));
}

}  // namespace transfusion
