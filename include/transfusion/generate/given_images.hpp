// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <vector>

#include "transfusion/diffusion/level.hpp"
#include "transfusion/exec/memory.hpp"
#include "transfusion/generate/request.hpp"

namespace transfusion::detail {

/// The images that a run begins from or keeps something of, noised by the noise that the run began with.
template <class Exec>
class given_images {
 public:
  using real = typename Exec::real;

  given_images() = default;
  /// edits: one an image of `each` values, or null. noise: of all images.
  given_images(Exec& exec, const std::vector<const image_edit*>& edits, index_t each, view<const real, 1> noise)
      : exec_(&exec), values_(exec, noise.size()), noise_(exec, noise.size()) {
    exec.copy(noise_.all(), noise);
    std::vector<real> values(static_cast<std::size_t>(noise.size()));
    std::vector<image_place> whole, kept;
    for (std::size_t i = 0; i < edits.size(); ++i) {
      if (!edits[i]) continue;
      const index_t first = static_cast<index_t>(i) * each;
      whole.push_back({first, 0, {1, 1, each}});
      std::copy(edits[i]->given.values.begin(), edits[i]->given.values.end(), values.begin() + first);
      add_runs(*edits[i], first, each, kept);
    }
    exec.upload(values_.all().data, values.data(), values.size() * sizeof(real));
    whole_ = part(exec, whole);
    kept_ = part(exec, kept);
  }

  /// x = signal·given + noise·ε in all given images.
  void put_all(view<real, 1> x, const noise_level& level) const { put(x, level, whole_); }
  /// The same where something is kept. Whether anything is.
  bool put_kept(view<real, 1> x, const noise_level& level) const {
    if (kept_.count == 0) return false;
    put(x, level, kept_);
    return true;
  }

 private:
  /// Stretches of values, one coefficient pair for each.
  struct part {
    index_t count = 0;
    buffer<Exec, image_place> places;
    buffer<Exec, real> coefficients;

    part() = default;
    part(Exec& exec, const std::vector<image_place>& all) : count(static_cast<index_t>(all.size())) {
      if (count == 0) return;
      places = {exec, count};
      coefficients = {exec, 2 * count};
      exec.upload(places.all().data, all.data(), all.size() * sizeof(image_place));
    }
  };

  static void add_runs(const image_edit& edit, index_t first, index_t each, std::vector<image_place>& kept) {
    for (index_t e = 0; e < each; ++e) {
      if (!edit.keeps(e)) continue;
      if (e > 0 && edit.keeps(e - 1))
        ++kept.back().shape.width;
      else
        kept.push_back({first + e, 0, {1, 1, 1}});
    }
  }

  void put(view<real, 1> x, noise_level level, const part& where) const {
    if (level.time == 0) level = {};  // the image itself, whatever rounding a schedule has there
    std::vector<real> pairs;
    for (index_t i = 0; i < where.count; ++i)
      pairs.insert(pairs.end(), {static_cast<real>(level.signal), static_cast<real>(level.noise)});
    const auto device = where.coefficients.all();
    exec_->upload(device.data, pairs.data(), pairs.size() * sizeof(real));
    exec_->mix(x, values_.all(), noise_.all(), {device.data, where.count, 2}, where.places.all());
  }

  Exec* exec_ = nullptr;
  buffer<Exec, real> values_, noise_;
  part whole_, kept_;
};

}  // namespace transfusion::detail
