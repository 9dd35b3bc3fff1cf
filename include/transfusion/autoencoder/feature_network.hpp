// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <concepts>
#include <span>
#include <string>
#include <vector>

#include "transfusion/autoencoder/pixels.hpp"
#include "transfusion/autoencoder/row_error.hpp"
#include "transfusion/autograd/op/rms_norm.hpp"

namespace transfusion {

/// One map of a feature network: rows [M, channels], image after image, the same number of rows for equal images.
template <class Exec>
struct feature_map {
  var<Exec> rows;
  std::span<const index_t> rows_of_image;  ///< [I]; on the host
};

/// A frozen network by whose features two images are compared:
///   struct my_network {
///     index_t maps() const;  index_t channels(index_t map) const;
///     // x: pixels in [-1, 1]; the network's weights have no gradients, pixels may.
///     std::vector<feature_map<Exec>> operator()(tape<Exec>&, var<Exec> pixels, const pixel_batch<Exec>& x) const;
///     double weight(index_t map, index_t channel) const;    // >= 0: of a channel's squared differences
///     bool frozen() const;                                  // may be there, to be asked
///   };
template <class Network, class Exec>
concept feature_network = requires(const Network& network, tape<Exec>& tape, var<Exec> pixels,
                                   const pixel_batch<Exec>& x, index_t i) {
  { network.maps() } -> std::convertible_to<index_t>;
  { network.channels(i) } -> std::convertible_to<index_t>;
  { network(tape, pixels, x) } -> std::same_as<std::vector<feature_map<Exec>>>;
  { network.weight(i, i) } -> std::convertible_to<double>;
};

/// The distance of two images in the features of a frozen network (Zhang et al. 2018, eq. 1): features of unit length
/// over the channels of a pixel, squared differences weighed channel by channel, their mean over a map's pixels, the
/// sum over maps. The perceptual loss with VGG's features, the identity loss with those of a network of one's own.
template <class Network, class Exec>
class feature_distance {
 public:
  using real = typename Exec::real;

  /// The network must outlive this object, and keeps the weights of channels that it has now. Throws config_error on a
  /// negative weight, or where the network says that it is not frozen.
  feature_distance(Exec& exec, const Network& network) : network_(&network) {
    static_assert(feature_network<Network, Exec>);
    if constexpr (requires { network.frozen(); })
      require<config_error>(network.frozen(),
                            "feature network: found parameters in training, expected none: parameters().freeze(\"\")");
    for (index_t m = 0; m < network.maps(); ++m)
      scales_.push_back(set_.declare("scale." + std::to_string(m), {network.channels(m)}, initial_value::ones()));
    set_.allocate(exec, 0);
    set_.freeze("");
    // A row of unit mean square, times √(w): its mean over channels is then the sum of w over those of unit length.
    for (index_t m = 0; m < network.maps(); ++m) {
      std::vector<real> roots;
      for (index_t c = 0; c < network.channels(m); ++c) {
        require<config_error>(network.weight(m, c) >= 0, "feature network: map ", m, ", channel ", c,
                              ": weight: found ", network.weight(m, c), ", expected >= 0");
        roots.push_back(static_cast<real>(std::sqrt(network.weight(m, c))));
      }
      exec.upload(scales_[static_cast<std::size_t>(m)].master().data, roots.data(), roots.size() * sizeof(real));
    }
    set_.refresh();
  }
  feature_distance(const feature_distance&) = delete;
  feature_distance& operator=(const feature_distance&) = delete;

  /// weight: in the mean over images. pixels: [N, C], against the images themselves. Result: the unweighted distances,
  /// a list of [I], one a map. A root.
  std::vector<view<real, 1>> operator()(tape<Exec>& tape, var<Exec> pixels, const pixel_batch<Exec>& x,
                                        double weight) const {
    const auto wanted = (*network_)(tape, x.rows, x);
    const auto found = (*network_)(tape, pixels, x);
    std::vector<view<real, 1>> losses;
    for (std::size_t m = 0; m < found.size(); ++m)
      losses.push_back(row_error(tape, error_kind::squared, unit(tape, found[m].rows, scales_[m]),
                                 in_real(tape, unit(tape, wanted[m].rows, scales_[m])), found[m].rows_of_image,
                                 weight));
    return losses;
  }

 private:
  static constexpr double epsilon = 1e-10;

  static var<Exec> unit(tape<Exec>& tape, var<Exec> features, parameter<Exec> scale) {
    return rms_norm(tape, features, scale, epsilon);
  }

  const Network* network_;
  parameter_set<Exec> set_;
  std::vector<parameter<Exec>> scales_;
};

/// Where no such loss is wanted.
struct no_features {};

}  // namespace transfusion
