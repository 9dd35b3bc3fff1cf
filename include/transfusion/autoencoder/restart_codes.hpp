// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <vector>

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/autograd/tape.hpp"
#include "transfusion/train/adamw.hpp"
#include "transfusion/train/data_order.hpp"

namespace transfusion {

/// Puts codes where encoded pixels are, drawn by chance and each once as long as there are enough (Dhariwal et al.
/// 2020, §3.2), in the average as well; their moments are 0 again. codes: [V, C]; encoded: [P, C]. Goes by the host.
template <class Exec>
void restart_codes(tape<Exec>& tape, parameter_set<Exec>& parameters, const adamw<Exec>& optimiser,
                   parameter<Exec> codes, const std::vector<index_t>& dead,
                   view<const typename Exec::scalar, 2> encoded, random_key key) {
  using real = typename Exec::real;
  Exec& exec = tape.exec();
  const auto wide = tape.saved_real(encoded.rows(), encoded.cols());
  exec.widen(wide.flat(), encoded.flat());
  const auto download = [&](view<real, 1> device) {
    std::vector<real> host(static_cast<std::size_t>(device.size()));
    exec.download(host.data(), device.data, host.size() * sizeof(real));
    return host;
  };
  const std::vector<real> pixels = download(wide.flat());
  const auto width = static_cast<std::size_t>(codes.cols());
  const data_order chance(key.seed + key.step, encoded.rows());
  const auto rewrite = [&](view<real, 1> block, bool places) {
    const view<real, 1> part = block.slice(codes.offset(), codes.offset() + codes.size());
    std::vector<real> rows = download(part);
    for (std::size_t i = 0; i < dead.size(); ++i) {
      const auto to = rows.begin() + dead[i] * codes.cols();
      const auto from = pixels.begin() + chance(static_cast<index_t>(i)) * codes.cols();
      if (places)
        std::copy_n(from, width, to);
      else
        std::fill_n(to, width, real{});
    }
    exec.upload(part.data, rows.data(), rows.size() * sizeof(real));
  };
  rewrite(parameters.values(), true);
  if (optimiser.average()) rewrite(optimiser.average(), true);
  rewrite(optimiser.first_moment(), false);
  rewrite(optimiser.second_moment(), false);
  parameters.refresh();
}

}  // namespace transfusion
