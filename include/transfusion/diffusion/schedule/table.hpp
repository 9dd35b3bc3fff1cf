// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/policy_name.hpp"
#include "transfusion/diffusion/level.hpp"

namespace transfusion {

namespace detail {

/// Levels in rising time, signal and noise linear between them. With `unit` they are scaled back to signal² + noise² =
/// 1 there.
class level_table {
 public:
  /// Throws config_error, with `name` before it, unless the levels go from a clean one at time 0 to time 1, both
  /// scalars finite and not negative, noise/signal rising all the way.
  level_table(std::string name, std::vector<noise_level> levels, bool unit) : levels_(std::move(levels)), unit_(unit) {
    const auto fail = [&](std::size_t i, const char* expected) {
      throw config_error(message(name, ": entry ", i, ": found time ", levels_[i].time, ", signal ", levels_[i].signal,
                                 ", noise ", levels_[i].noise, ", expected ", expected));
    };
    require<config_error>(levels_.size() >= 2, name, ": found ", levels_.size(), " levels, expected 2 or more");
    if (const noise_level& l = levels_[0]; l.time != 0 || !(l.signal > 0) || l.noise != 0)
      fail(0, "time 0 with some signal and no noise");
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      const noise_level& now = levels_[i];
      const bool sound = std::isfinite(now.signal) && std::isfinite(now.noise) && now.signal >= 0 && now.noise >= 0;
      if (!sound) fail(i, "finite scalars of at least 0");
      if (i == 0) continue;
      const noise_level& before = levels_[i - 1];
      if (!(now.time > before.time)) fail(i, "a later time than that of the entry before");
      if (!(now.noise * before.signal > before.noise * now.signal)) fail(i, "a larger noise/signal than before");
    }
    if (levels_.back().time != 1) fail(levels_.size() - 1, "time 1 at the end");
  }

  double signal(double t) const { return at(t).signal; }
  double noise(double t) const { return at(t).noise; }

 private:
  noise_level at(double t) const {
    const auto later = [](double time, const noise_level& level) { return time < level.time; };
    const auto next = std::upper_bound(levels_.begin() + 1, levels_.end() - 1, t, later);
    const noise_level &a = *(next - 1), &b = *next;
    const double share = (t - a.time) / (b.time - a.time);
    const noise_level found{t, (1 - share) * a.signal + share * b.signal, (1 - share) * a.noise + share * b.noise};
    const double length = unit_ ? std::hypot(found.signal, found.noise) : 1;
    return {t, found.signal / length, found.noise / length};
  }

  std::vector<noise_level> levels_;
  bool unit_;
};

}  // namespace detail

namespace schedule {

/// A user's table, read when a model is made. `Values` is a struct with one of
///   static std::vector<double> alpha_bar();       ᾱ at t = 1/T, 2/T, …, 1, falling below 1 (`alphas_cumprod`), or
///   static std::vector<noise_level> levels();     from a clean level at time 0 to time 1, noise/signal rising.
/// Between its entries signal and noise are linear; those of a list of ᾱ keep signal² + noise² = 1. The constructor
/// throws config_error, naming `Values`, the entry and what is wrong with it.
template <class Values>
struct table : detail::level_table {
  table() : level_table(name(), levels(), gives_alpha_bar) {}

 private:
  static constexpr bool gives_alpha_bar = requires { Values::alpha_bar(); };
  static_assert(
      gives_alpha_bar || requires { Values::levels(); }, "schedule::table: Values has alpha_bar() or levels()");

  static std::string name() { return detail::message("schedule::table of ", policy_name<Values>()); }

  static std::vector<noise_level> levels() {
    if constexpr (gives_alpha_bar) {
      const std::vector<double> alpha_bar = Values::alpha_bar();
      std::vector<noise_level> levels{{.time = 0, .signal = 1, .noise = 0}};
      double before = 1;
      for (const double& now : alpha_bar) {
        const auto n = &now - alpha_bar.data() + 1;
        require<config_error>(now >= 0 && now < before, name(), ": ᾱ of step ", n, ": found ", now,
                              ", expected at least 0 and less than the ", before, " before");
        levels.push_back(
            {static_cast<double>(n) / static_cast<double>(alpha_bar.size()), std::sqrt(now), std::sqrt(1 - now)});
        before = now;
      }
      return levels;
    } else {
      return Values::levels();
    }
  }
};

}  // namespace schedule
}  // namespace transfusion
