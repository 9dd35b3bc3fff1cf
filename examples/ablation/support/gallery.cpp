// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/gallery.hpp"

#include <algorithm>

#include "support/judge.hpp"
#include "transfusion/metric/frechet.hpp"

namespace ablation {

namespace {

constexpr index_t cells = 8;  // areas a side, of which the mean is taken
constexpr index_t judge_epochs = 5;

/// Few captions with many pictures each are classes.
bool has_classes(const corpus& data) {
  return data.caption_count() <= 256 && 100 * data.caption_count() <= std::ssize(data.train());
}

support::labelled_images labelled(const corpus& data, const std::vector<captioned>& items) {
  support::labelled_images set{
      std::ssize(items), data.shape().channels * data.shape().height, data.shape().width, {}, {}};
  for (const captioned& c : items) {
    set.pixels.insert(set.pixels.end(), c.pixels.begin(), c.pixels.end());
    set.labels.push_back(static_cast<std::uint8_t>(c.caption));
  }
  return set;
}

/// The mean of each of 8 × 8 areas in each channel.
std::vector<double> area_means(const tf::image& picture) {
  const auto [channels, height, width] = std::array{picture.shape.channels, picture.shape.height, picture.shape.width};
  std::vector<double> means(static_cast<std::size_t>(channels * cells * cells), 0.0);
  const double share = static_cast<double>(cells * cells) / static_cast<double>(height * width);
  for (index_t i = 0; i < picture.shape.size(); ++i) {
    const index_t c = i / (height * width), y = i / width % height, x = i % width;
    means[static_cast<std::size_t>((c * cells + y * cells / height) * cells + x * cells / width)] +=
        share * static_cast<double>(picture.values[static_cast<std::size_t>(i)]);
  }
  return means;
}

}  // namespace

/// How pictures are seen: features, and labels where there is a judge.
struct gallery::eyes {
  std::unique_ptr<support::judge> judge;
  std::unique_ptr<tf::frechet_statistics> reference;

  support::judge::opinion look(const std::vector<tf::image>& pictures) const {
    support::judge::opinion seen;
    if (!judge) {
      for (const tf::image& p : pictures) seen.features.push_back(area_means(p));
      return seen;
    }
    std::vector<float> values;
    for (const tf::image& p : pictures) values.insert(values.end(), p.values.begin(), p.values.end());
    return judge->look(values);
  }

  static void add(tf::frechet_statistics& statistics, const support::judge::opinion& seen) {
    for (const auto& f : seen.features)
      statistics.add(tf::view<const double, 1>(f.data(), static_cast<index_t>(f.size())));
  }
};

gallery::gallery(const corpus& data, int threads) : data_(&data), eyes_(std::make_unique<eyes>()) {
  std::vector<const std::vector<captioned>*> reference{&data.held_out()};
  if (has_classes(data)) {
    eyes_->judge = std::make_unique<support::judge>(threads, data.shape().size(), data.caption_count(), 1);
    eyes_->judge->train(labelled(data, data.train()), judge_epochs, 1);
  } else {
    reference.push_back(&data.train());
  }
  const index_t width = eyes_->judge ? support::judge::features : cells * cells * data.shape().channels;
  eyes_->reference = std::make_unique<tf::frechet_statistics>(width);
  std::vector<tf::image> pictures;
  const auto flush = [&] {
    if (!pictures.empty()) eyes::add(*eyes_->reference, eyes_->look(pictures));
    pictures.clear();
  };
  for (const auto* items : reference)
    for (const captioned& c : *items) {
      pictures.push_back(data.picture(c));
      if (pictures.size() == 1000) flush();
    }
  flush();
}

gallery::~gallery() = default;

picture_quality gallery::measure(const std::vector<tf::image>& drawn, const std::vector<index_t>& captions) const {
  const auto seen = eyes_->look(drawn);
  tf::frechet_statistics statistics(eyes_->reference->width());
  eyes::add(statistics, seen);
  picture_quality q{tf::frechet_distance(statistics, *eyes_->reference), {}};
  if (!eyes_->judge) return q;
  index_t right = 0;
  for (std::size_t i = 0; i < captions.size(); ++i) right += seen.labels[i] == captions[i];
  q.judged = static_cast<double>(right) / static_cast<double>(captions.size());
  return q;
}

picture_quality gallery::of_real(index_t count) const {
  std::vector<tf::image> pictures;
  std::vector<index_t> captions;
  const index_t all = std::ssize(data_->train());
  for (index_t i = 0; i < std::min(count, all); ++i) {
    const captioned& c = data_->train()[static_cast<std::size_t>(i * all / std::min(count, all))];
    pictures.push_back(data_->picture(c));
    captions.push_back(c.caption);
  }
  return measure(pictures, captions);
}

}  // namespace ablation
