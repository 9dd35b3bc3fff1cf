// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/measure.hpp"

#include <algorithm>

#include "transfusion/core/error.hpp"
#include "transfusion/train/data_order.hpp"

namespace emoji {

namespace {

constexpr float differs = 0.15f;  // of 2, in some channel: more than resizing leaves
constexpr std::size_t plane = static_cast<std::size_t>(side * side);

}  // namespace

tone_reader::tone_reader(const data& d, index_t base) {
  tf::require<tf::config_error>(std::find(d.bases().begin(), d.bases().end(), base) != d.bases().end(),
                                "tone_reader: base: found ", base, ", expected an emoji with all five skin tones");
  std::vector<tf::image> pictures;
  for (index_t i : d.toned(base)) pictures.push_back(d.picture(i));
  for (std::size_t at = 0; at < plane; ++at)
    for (std::size_t c = 0; c < 3; ++c) {
      float low = 1, high = -1;
      for (const tf::image& p : pictures) {
        low = std::min(low, p.values[c * plane + at]);
        high = std::max(high, p.values[c * plane + at]);
      }
      if (high - low <= differs) continue;
      skin_.push_back(at);
      break;
    }
  for (std::size_t t = 0; t < pictures.size(); ++t) tones_[t] = mean(pictures[t]);
}

tone_reader::colour tone_reader::mean(const tf::image& picture) const {
  colour sum{};
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t at : skin_)
      sum[c] += std::clamp(picture.values[c * plane + at], -1.0f, 1.0f) / static_cast<double>(skin_.size());
  return sum;
}

index_t tone_reader::tone(const tf::image& picture) const {
  const colour found = mean(picture);
  const auto distance = [&](const colour& to) {
    double sum = 0;
    for (std::size_t c = 0; c < 3; ++c) sum += (found[c] - to[c]) * (found[c] - to[c]);
    return sum;
  };
  const auto nearest = std::min_element(tones_.begin(), tones_.end(),
                                        [&](const colour& a, const colour& b) { return distance(a) < distance(b); });
  return nearest - tones_.begin();
}

std::vector<double> tones_right(const data& d, const std::vector<index_t>& items,
                                const std::vector<tf::image>& pictures) {
  tf::require_extent("tones_right: pictures", static_cast<index_t>(pictures.size()),
                     static_cast<index_t>(items.size()));
  std::vector<double> right;
  for (std::size_t n = 0; n < items.size(); ++n)
    right.push_back(tone_reader(d, d.at(items[n]).base).tone(pictures[n]) == d.at(items[n]).tone ? 1 : 0);
  return right;
}

namespace {

void require_ten(const std::vector<index_t>& names, const char* of) {
  tf::require<tf::config_error>(names.size() == 10, "ten names: found ", names.size(), " ", of, ", expected 10");
}

}  // namespace

std::vector<index_t> ten_names(const data& d, index_t i, std::uint64_t seed) {
  std::vector<index_t> names{i};
  const auto add = [&](index_t other) {  // -1: a tone that the font lacks
    if (other >= 0 && names.size() < 10 && std::find(names.begin(), names.end(), other) == names.end())
      names.push_back(other);
  };
  if (const index_t base = d.at(i).base; base >= 0) {
    for (index_t other : d.toned(base)) add(other);
    const tf::data_order others(seed + static_cast<std::uint64_t>(i), static_cast<index_t>(d.bases().size()));
    for (std::size_t n = 0; n < d.bases().size(); ++n)
      for (index_t other : d.toned(d.bases()[static_cast<std::size_t>(others(static_cast<index_t>(n)))])) add(other);
    require_ten(names, "tones of emoji");
    return names;
  }
  std::vector<index_t> near;
  for (index_t other : d.training())
    if (d.group(other) == d.group(i) && d.at(other).base < 0) near.push_back(other);
  const std::vector<index_t>& from = near.size() >= 20 ? near : d.training();
  const tf::data_order order(seed + static_cast<std::uint64_t>(i), static_cast<index_t>(from.size()));
  for (std::size_t n = 0; n < from.size(); ++n) add(from[static_cast<std::size_t>(order(static_cast<index_t>(n)))]);
  require_ten(names, "emoji to train on");
  return names;
}

}  // namespace emoji
