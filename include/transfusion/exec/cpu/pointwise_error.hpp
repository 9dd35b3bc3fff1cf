// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cpu/lanes.hpp"

namespace transfusion {
namespace detail {

/// Errors of registers of predictions p with targets t, and their derivatives by p as a multiple of `factor`.
template <error_kind Kind, class Scalar>
struct error_function;

template <class Scalar>
struct error_function<error_kind::squared, Scalar> {
  using pack = lanes<Scalar>;
  static constexpr Scalar factor = 2;
  static pack value(const pack& p, const pack& t) { return (p - t) * (p - t); }
  static pack slope(const pack& p, const pack& t) { return p - t; }
};

template <class Scalar>
struct error_function<error_kind::absolute, Scalar> {
  using pack = lanes<Scalar>;
  static constexpr Scalar factor = 1;
  static pack value(const pack& p, const pack& t) { return Eigen::internal::pabs(pack(p - t)); }
  static pack slope(const pack& p, const pack& t) {
    using Eigen::internal::pcmp_lt, Eigen::internal::pselect;
    const pack zero = all(Scalar{0});
    return pselect(pcmp_lt(t, p), all(Scalar{1}), pselect(pcmp_lt(p, t), all(Scalar{-1}), zero));
  }
};

template <class Scalar>
struct error_function<error_kind::hinge, Scalar> {
  using pack = lanes<Scalar>;
  static constexpr Scalar factor = -1;
  static pack margin(const pack& p, const pack& t) { return all(Scalar{1}) - t * p; }
  static pack value(const pack& p, const pack& t) {
    const pack m = margin(p, t), zero = all(Scalar{0});
    return Eigen::internal::pselect(Eigen::internal::pcmp_lt(m, zero), zero, m);
  }
  static pack slope(const pack& p, const pack& t) {
    const pack zero = all(Scalar{0});
    return Eigen::internal::pselect(Eigen::internal::pcmp_lt(zero, margin(p, t)), t, zero);
  }
};

template <class Scalar>
struct error_function<error_kind::linear, Scalar> {
  using pack = lanes<Scalar>;
  static constexpr Scalar factor = -1;
  static pack value(const pack& p, const pack& t) { return all(Scalar{0}) - t * p; }
  static pack slope(const pack&, const pack& t) { return t; }
};

template <error_kind Kind, class Scalar>
void pointwise_error(const cpu_team& team, view<Scalar, 1> loss, gradient_sink<Scalar> dprediction,
                     view<const Scalar, 1> prediction, view<const Scalar, 1> target, view<const image_place, 1> places,
                     view<const Scalar, 1> weights) {
  using error = error_function<Kind, Scalar>;
  const auto value = [](auto p, auto t) { return error::value(p, t); };
  const index_t weight = places.size() > 0 ? places[0].shape.size() : 1;
  team.run_pieces(places.size(), weight, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) {
      const index_t at = places[i].first_value, count = places[i].shape.size();
      const Scalar *found = prediction.data + at, *expected = target.data + at;
      if constexpr (Kind == error_kind::hinge)  // of zeros it is not zero
        loss[i] = sum_in_strips<Scalar>(count, value, found, expected) / static_cast<Scalar>(count);
      else
        loss[i] = sum<Scalar>(count, value, found, expected) / static_cast<Scalar>(count);
      if (!dprediction) continue;
      const auto by = all(error::factor * weights[i] / static_cast<Scalar>(count));
      emit(
          dprediction.add, count, dprediction.into.data + at, [&](auto p, auto t) { return error::slope(p, t) * by; },
          found, expected);
    }
  });
}

}  // namespace detail

template <class Scalar>
void cpu_exec<Scalar>::pointwise_error(error_kind kind, vector loss, sink dprediction, const_vector prediction,
                                       const_vector target, images places, const_vector weights) {
  const auto run = [&]<error_kind Kind>() {
    detail::pointwise_error<Kind, Scalar>(team_, loss, dprediction, prediction, target, places, weights);
  };
  switch (kind) {
    case error_kind::squared:
      return run.template operator()<error_kind::squared>();
    case error_kind::absolute:
      return run.template operator()<error_kind::absolute>();
    case error_kind::hinge:
      return run.template operator()<error_kind::hinge>();
    case error_kind::linear:
      return run.template operator()<error_kind::linear>();
  }
}

}  // namespace transfusion
