// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "transfusion/autograd/op/join_rows.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/core/error.hpp"

namespace transfusion {

/// The rows of a pass by kind: those of text first, then those of each continuous modality. Every row stands in one of
/// them. The span lies on the host, the rows on the device.
using row_routes = std::span<const view<const token_t, 1>>;

/// Which weights text and each continuous modality have of their own. Attention itself is one, over all rows.
struct separate_weights {
  bool feed_forward = false;
  bool qkv = false;   ///< the projections to queries, keys and values
  bool rest = false;  ///< output projections and norms, the final norm included

  constexpr bool any() const { return feed_forward || qkv || rest; }
};

/// Weights by kind of row (Liang et al. 2024, "Mixture-of-Transformers", §2; Shi et al. 2024, "LMFusion", §3).
namespace routing {

/// One set of weights for all rows: the paper.
struct shared {
  static constexpr separate_weights separate{};
};
/// A feed-forward for each kind of row.
struct ffn {
  static constexpr separate_weights separate{.feed_forward = true};
};
/// Projections to queries, keys and values for each kind too; output projections and norms stay shared.
struct qkv_and_ffn {
  static constexpr separate_weights separate{.feed_forward = true, .qkv = true};
};
/// All weights of the trunk.
struct all {
  static constexpr separate_weights separate{.feed_forward = true, .qkv = true, .rest = true};
};

}  // namespace routing

namespace layer {

/// Rows of one route, taken out of all.
template <class Exec>
struct route_part {
  std::size_t route = 0;
  view<const token_t, 1> rows;  ///< empty where the part is all rows
  var<Exec> x;
};

/// x by routes, those without rows left out; x itself where it has one route only. The list lives until the tape's
/// reset.
template <class Exec>
host_list<route_part<Exec>> split_rows(tape<Exec>& tape, var<Exec> x, row_routes routes) {
  auto parts = tape.template list<route_part<Exec>>(static_cast<index_t>(routes.size()) + 1);
  for (std::size_t r = 0; r < routes.size(); ++r) {
    if (routes[r].size() == 0) continue;
    if (routes[r].size() == x.rows())
      parts.push_back({r, {}, x});
    else
      parts.push_back({r, routes[r], gather_rows(tape, x, routes[r])});
  }
  if (routes.empty()) parts.push_back({0, {}, x});
  return parts;
}

/// f(part) of each part, every row back in its place.
template <class Exec, class F>
var<Exec> each_route(tape<Exec>& tape, const host_list<route_part<Exec>>& parts, F f) {
  if (parts.size() == 1) return f(parts[0]);
  auto placed = tape.template list<placed_rows<Exec>>(parts.size());
  index_t rows = 0;
  for (const route_part<Exec>& part : parts) {
    placed.push_back({f(part), part.rows});
    rows += part.rows.size();
  }
  return join_rows(tape, {placed.data(), static_cast<std::size_t>(placed.size())}, rows);
}

/// The name of a route's parameters: the plain one for route 0, text; `modality<m>.` before it for modality m, route
/// m + 1. So a prefix freezes either side.
inline std::string route_name(const std::string& name, index_t route) {
  return route == 0 ? name : "modality" + std::to_string(route - 1) + "." + name;
}

/// A layer that all rows share, or one for each route, its parameters under `route_name`.
template <class Layer>
class per_route {
 public:
  /// make(name) -> Layer, called for each route.
  template <class Make>
  per_route(const std::string& name, index_t routes, Make make) {
    layers_.reserve(static_cast<std::size_t>(routes));
    for (index_t r = 0; r < routes; ++r) layers_.push_back(make(route_name(name, r)));
  }

  /// The layer that the rows of this route take.
  const Layer& operator[](std::size_t route) const { return layers_[is_shared() ? 0 : route]; }
  bool is_shared() const { return layers_.size() == 1; }

  /// What to split rows by for this layer: nothing where it is shared. Throws shape_error on a number of routes other
  /// than its own.
  row_routes routes(row_routes all) const {
    if (is_shared()) return {};
    require_extent("routes of rows", static_cast<index_t>(all.size()), static_cast<index_t>(layers_.size()));
    return all;
  }

  template <class Exec>
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, row_routes all) const {
    if (is_shared()) return layers_.front()(tape, x);
    return each_route(tape, split_rows(tape, x, routes(all)),
                      [&](const route_part<Exec>& part) { return layers_[part.route](tape, part.x); });
  }

 private:
  std::vector<Layer> layers_;
};

}  // namespace layer
}  // namespace transfusion
