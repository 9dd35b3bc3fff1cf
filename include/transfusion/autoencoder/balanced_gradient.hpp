// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>

#include "transfusion/autoencoder/pixels.hpp"
#include "transfusion/layer/convolution.hpp"

namespace transfusion {

/// The same pixels twice, for two kinds of losses whose gradients are balanced before they meet.
template <class Exec>
struct balanced_pixels {
  var<Exec> reconstructed, adversarial;
};

/// Latent diffusion's adaptive weight (Esser et al. 2021, eq. 7): the gradient that comes back through `adversarial`
/// counts weight · |g| / (|g'| + 1e-4) times, at most 1e4 times the weight, where g and g' are the gradients of the
/// last convolution's weights by the losses on either side. pixels: the convolution's output for `hidden`. Waits for
/// the policy on the way back.
template <class Exec>
balanced_pixels<Exec> balanced_gradient(tape<Exec>& tape, var<Exec> pixels, var<Exec> hidden,
                                        const layer::convolution<Exec>& last, const convolution_tables& tables,
                                        double weight) {
  using real = typename Exec::real;
  const auto scratch = tape.saved_real(last.weight.rows(), last.weight.cols());
  const auto square = tape.saved_real(index_t{1});
  const auto factors = tape.saved(pixels.rows(), pixels.cols());
  const balanced_pixels<Exec> y{tape.variable_over(pixels.value()), tape.variable_over(pixels.value())};
  const auto w = last.weight;
  tape.on_backward([=](auto& t) {
    auto& exec = t.exec();
    const auto norm = [&](var<Exec> v) {
      exec.fill(scratch.flat(), 0);
      exec.convolution_backward({}, scratch, {}, t.gradient(v), hidden.value(), w.value(), tables.taps, tables.reverse);
      exec.sum_of_squares(square, scratch.flat());
      real found{};
      exec.download(&found, square.data, sizeof(real));
      return std::sqrt(static_cast<double>(found));
    };
    if (t.has_gradient(y.adversarial)) {
      const double balance = std::min(norm(y.reconstructed) / (norm(y.adversarial) + 1e-4), 1e4);
      exec.fill(factors.flat(), weight * balance);
      const auto g = t.own_gradient(y.adversarial);
      exec.multiply(factors, factors, g);
      exec.accumulate(t.sink(pixels), factors);
    }
    t.pass_gradient(y.reconstructed, pixels);
  });
  return y;
}

}  // namespace transfusion
