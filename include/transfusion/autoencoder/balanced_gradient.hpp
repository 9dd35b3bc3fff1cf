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
  const auto squares = tape.saved_real(index_t{2});
  const auto factors = tape.saved(pixels.rows(), pixels.cols());
  const balanced_pixels<Exec> y{tape.variable_over(pixels.value()), tape.variable_over(pixels.value())};
  const auto w = last.weight;
  tape.on_backward([=](auto& t) {
    auto& exec = t.exec();
    const auto square = [&](index_t place, var<Exec> v) {
      exec.fill(scratch.flat(), 0);
      exec.convolution_backward({}, scratch, {}, t.gradient(v), hidden.value(), w.value(), tables.taps, tables.reverse);
      exec.sum_of_squares(squares.slice(place, place + 1), scratch.flat());
    };
    if (t.has_gradient(y.adversarial)) {
      exec.fill(squares, 0);
      if (t.has_gradient(y.reconstructed)) square(0, y.reconstructed);
      square(1, y.adversarial);
      real found[2]{};
      exec.download(found, squares.data, sizeof found);
      const auto norm = [&](int place) { return std::sqrt(static_cast<double>(found[place])); };
      exec.fill(factors.flat(), weight * std::min(norm(0) / (norm(1) + 1e-4), 1e4));
      exec.multiply(factors, factors, t.gradient(y.adversarial));
      exec.accumulate(t.sink(pixels), factors);
    }
    if (t.has_gradient(y.reconstructed)) t.pass_gradient(y.reconstructed, pixels);
  });
  return y;
}

}  // namespace transfusion
