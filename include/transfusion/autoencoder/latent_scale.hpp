// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/sequence/document.hpp"

namespace transfusion {

/// Mean and deviation of each channel of a set's latents. Diffusion assumes numbers around 0 of about size 1 (Rombach
/// et al. 2022, appendix D.1, with one deviation for all channels).
struct latent_scale {
  std::vector<double> mean, deviation;  ///< [latent channels]

  /// (x - mean) / deviation, channel by channel, in place.
  void apply(image& latent) const {
    each(latent, [](double x, double m, double d) { return (x - m) / d; });
  }
  /// And back.
  void undo(image& latent) const {
    each(latent, [](double x, double m, double d) { return x * d + m; });
  }

  /// Throws config_error unless there is a finite mean and a deviation above 0 for each of so many channels.
  void require_valid(index_t channels) const {
    for (const auto* numbers : {&mean, &deviation})
      require<config_error>(static_cast<index_t>(numbers->size()) == channels, "latent scale: found ", numbers->size(),
                            " numbers, expected one for each of ", channels, " latent channels");
    for (std::size_t c = 0; c < mean.size(); ++c)
      require<config_error>(std::isfinite(mean[c]) && std::isfinite(deviation[c]) && deviation[c] > 0,
                            "latent scale: channel ", c, ": found mean ", mean[c], " and deviation ", deviation[c],
                            ", expected finite numbers and a deviation > 0");
  }

 private:
  template <class F>
  void each(image& latent, const F& f) const {
    require_extent("latent scale: channels", latent.shape.channels, static_cast<index_t>(mean.size()));
    const auto plane = latent.values.size() / mean.size();
    for (std::size_t i = 0; i < latent.values.size(); ++i)
      latent.values[i] = static_cast<float>(f(latent.values[i], mean[i / plane], deviation[i / plane]));
  }
};

/// Gathers the scale of latents that come one by one.
class latent_statistics {
 public:
  explicit latent_statistics(index_t channels)
      : sums_(static_cast<std::size_t>(channels)), squares_(static_cast<std::size_t>(channels)) {}

  void add(const image& latent) {
    require_extent("latent statistics: channels", latent.shape.channels, static_cast<index_t>(sums_.size()));
    const auto plane = latent.values.size() / sums_.size();
    for (std::size_t i = 0; i < latent.values.size(); ++i) {
      const double x = latent.values[i];
      sums_[i / plane] += x;
      squares_[i / plane] += x * x;
    }
    count_ += static_cast<double>(plane);
  }

  /// The same of rows [P, channels], a pixel each.
  template <class T>
  void add_rows(std::span<const T> rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double x = static_cast<double>(rows[i]);
      sums_[i % sums_.size()] += x;
      squares_[i % sums_.size()] += x * x;
    }
    count_ += static_cast<double>(rows.size() / sums_.size());
  }

  /// Throws config_error on no latents, or a channel that is the same everywhere.
  latent_scale scale() const {
    require<config_error>(count_ > 0, "latent statistics: found no latents, expected one at least");
    latent_scale s;
    for (std::size_t c = 0; c < sums_.size(); ++c) {
      const double mean = sums_[c] / count_, variance = squares_[c] / count_ - mean * mean;
      require<config_error>(variance > 0, "latent statistics: channel ", c, ": found variance ", variance,
                            ", expected > 0");
      s.mean.push_back(mean);
      s.deviation.push_back(std::sqrt(variance));
    }
    return s;
  }

 private:
  std::vector<double> sums_, squares_;
  double count_ = 0;
};

}  // namespace transfusion
