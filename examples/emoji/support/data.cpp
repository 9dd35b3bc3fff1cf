// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/data.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "support/idx.hpp"
#include "transfusion/core/error.hpp"

namespace emoji {

namespace {

constexpr char32_t first_tone = 0x1F3FB, last_tone = 0x1F3FF;
constexpr index_t large_side = 2 * side;

bool is_tone(char32_t code) { return code >= first_tone && code <= last_tone; }

std::vector<item> drawn_items() {
  const auto names = support::read_emoji_sequences();
  std::vector<support::emoji_sequence> wanted;
  for (const auto& e : names)
    if (e.codes.size() == 1 || (e.codes.size() == 2 && is_tone(e.codes[1]))) wanted.push_back(e);
  const auto pictures = support::draw_emoji_sequences(wanted, large_side);
  std::vector<support::emoji_sequence> there;
  std::vector<support::byte_image> drawn;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (!pictures[i].pixels.empty()) {
      there.push_back(wanted[i]);
      drawn.push_back(pictures[i]);
    }
  std::vector<item> items = items_of(there);
  for (std::size_t i = 0; i < items.size(); ++i) items[i].large = std::move(drawn[i]);
  hold_out(items);
  return items;
}

/// A value of a plane at any place, by its four neighbours; white outside.
double sampled(const std::uint8_t* plane, double y, double x) {
  const double top = std::floor(y), left = std::floor(x);
  const auto at = [&](double dy, double dx) {
    const auto row = static_cast<index_t>(top + dy), column = static_cast<index_t>(left + dx);
    const bool inside = row >= 0 && row < large_side && column >= 0 && column < large_side;
    return inside ? static_cast<double>(plane[row * large_side + column]) : 255.0;
  };
  const double v = y - top, u = x - left;
  return (1 - v) * ((1 - u) * at(0, 0) + u * at(0, 1)) + v * ((1 - u) * at(1, 0) + u * at(1, 1));
}

}  // namespace

std::vector<item> items_of(const std::vector<support::emoji_sequence>& emoji) {
  std::vector<item> items;
  std::map<char32_t, index_t> bases;
  for (const auto& e : emoji) {
    const bool toned = e.codes.size() == 2 && is_tone(e.codes[1]);
    if (e.codes.size() != 1 && !toned) continue;
    item i{.name = e.name, .group = e.group, .subgroup = e.subgroup, .large = {}};
    if (toned) {
      const auto base = bases.find(e.codes[0]);
      tf::require<tf::format_error>(base != bases.end(), "emoji \"", e.name,
                                    "\": found no emoji without its skin tone");
      i.base = base->second;
      i.tone = static_cast<index_t>(e.codes[1] - first_tone);
    } else {
      bases[e.codes[0]] = static_cast<index_t>(items.size());
    }
    items.push_back(std::move(i));
  }
  return items;
}

void hold_out(std::vector<item>& items) {
  std::map<index_t, index_t> number;  // of a base among those with tones
  for (const item& i : items)
    if (i.base >= 0) number.emplace(i.base, 0);
  index_t next = 0, plain = 0;
  for (auto& entry : number) entry.second = next++;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].base >= 0) {
      const index_t n = number.at(items[i].base);
      items[i].held_out = n % 2 == 0 && items[i].tone == n / 2 % 5;
    } else if (!number.contains(static_cast<index_t>(i))) {
      items[i].held_out = plain++ % 20 == 10;
    }
  }
}

data::data() : data(drawn_items()) {}

data::data(std::vector<item> items) : items_(std::move(items)), toned_(items_.size()) {
  for (std::size_t n = 0; n < items_.size(); ++n) {
    const item& i = items_[n];
    const auto found = std::find(groups_.begin(), groups_.end(), i.group);
    groups_of_.push_back(found - groups_.begin());
    if (found == groups_.end()) groups_.push_back(i.group);
    auto& list = !i.held_out ? training_ : i.tone < 0 ? held_out_emoji_ : held_out_tones_;
    list.push_back(static_cast<index_t>(n));
    if (i.base < 0) continue;
    auto& five = toned_[static_cast<std::size_t>(i.base)];
    five.resize(tones.size(), -1);
    five[static_cast<std::size_t>(i.tone)] = static_cast<index_t>(n);
  }
  for (std::size_t b = 0; b < toned_.size(); ++b)
    if (!toned_[b].empty() && std::find(toned_[b].begin(), toned_[b].end(), -1) == toned_[b].end())
      bases_.push_back(static_cast<index_t>(b));
}

tf::image data::picture(index_t i) const { return {picture_shape, support::resize(at(i).large, side, side).values()}; }

tf::image data::view(index_t i, const tf::random_key& key, std::uint64_t draw) const {
  const auto uniform = [&](std::uint64_t n, double low, double high) {
    return low + (high - low) * key.uniform(4 * draw + n);
  };
  const double scale = uniform(0, 0.75, 1.1), down = uniform(1, -6, 6), right = uniform(2, -6, 6);
  const bool mirrored = uniform(3, 0, 1) < 0.5;
  const double middle = side / 2.0, magnify = static_cast<double>(large_side) / static_cast<double>(side);
  const auto source = [&](double place, double shift) {
    return magnify * ((place + 0.5 - middle - shift) / scale + middle) - 0.5;
  };
  tf::image seen{picture_shape, std::vector<float>(static_cast<std::size_t>(picture_shape.size()))};
  auto value = seen.values.begin();
  for (index_t c = 0; c < 3; ++c) {
    const std::uint8_t* plane = at(i).large.pixels.data() + c * large_side * large_side;
    for (index_t y = 0; y < side; ++y)
      for (index_t x = 0; x < side; ++x) {
        const double across = static_cast<double>(mirrored ? side - 1 - x : x);
        const double v = sampled(plane, source(static_cast<double>(y), down), source(across, right));
        *value++ = static_cast<float>(v / 127.5 - 1);
      }
  }
  return seen;
}

std::string article(std::string_view name) {
  const std::string both = support::with_article(name);
  return both.substr(0, both.find(' '));
}

std::string verb(const item& i) {
  if (i.subgroup == "drink") return "i drank";
  if (i.group == "Food & Drink") return "i ate";
  if (i.group == "Animals & Nature") return "i saw";
  if (i.group == "Travel & Places") return "i passed";
  if (i.group == "Objects") return "i bought";
  return {};
}

}  // namespace emoji
