// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/corpus.hpp"

#include <algorithm>
#include <utility>

#include "support/pixel.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/sequence/pair.hpp"
#include "transfusion/train/data_order.hpp"

namespace ablation {

namespace {

constexpr index_t most_candidates = 10, most_shown = 10;

std::vector<captioned> captioned_images(const support::labelled_images& set) {
  std::vector<captioned> items;
  for (index_t i = 0; i < set.count; ++i) {
    const auto image = set.image(i);
    items.push_back({{image.begin(), image.end()}, set.label(i)});
  }
  return items;
}

}  // namespace

corpus::corpus(std::string name, tf::image_shape shape, std::vector<std::string> captions, std::vector<captioned> train,
               std::vector<captioned> held_out)
    : name_(std::move(name)),
      shape_(shape),
      captions_(std::move(captions)),
      words_(captions_),
      train_(std::move(train)),
      held_out_(std::move(held_out)) {
  tf::require<tf::config_error>(!train_.empty() && !held_out_.empty(), name_, ": found ", train_.size(),
                                " pictures to train on and ", held_out_.size(), " held out, expected some of both");
  for (const std::string& c : captions_) tokens_.push_back({words_.encode(c)});
}

tf::image corpus::picture(const captioned& c) const {
  tf::image picture{shape_, std::vector<float>(c.pixels.size())};
  std::transform(c.pixels.begin(), c.pixels.end(), picture.values.begin(), support::to_signed_unit);
  return picture;
}

std::vector<tf::document> corpus::documents(index_t step, index_t pairs, std::uint64_t seed) const {
  const tf::data_order order(seed, static_cast<index_t>(train_.size()));
  std::vector<tf::document> documents;
  for (index_t i = 0; i < pairs; ++i) {
    const index_t place = step * pairs + i;
    const captioned& c = train_[static_cast<std::size_t>(order(place))];
    const tf::random_key choice{seed, 0, tf::stream::document_order};
    const double u = choice.uniform(static_cast<std::uint64_t>(place));
    documents.push_back(tf::paired(tokens(c.caption), picture(c), u));
  }
  return documents;
}

std::vector<index_t> corpus::candidates(index_t i) const {
  const index_t truth = held_out_[static_cast<std::size_t>(i)].caption;
  std::vector<index_t> found{truth};
  const auto count = static_cast<index_t>(held_out_.size());
  // The captions of the pictures after it, each once.
  for (index_t k = 1; k < count && std::ssize(found) < most_candidates; ++k) {
    const index_t other = held_out_[static_cast<std::size_t>((i + k) % count)].caption;
    if (std::find(found.begin(), found.end(), other) == found.end()) found.push_back(other);
  }
  return found;
}

std::vector<index_t> corpus::to_draw(index_t count) const {
  const index_t all = caption_count();
  std::vector<index_t> numbers;
  for (index_t i = 0; i < count; ++i) numbers.push_back(count < all ? i * all / count : i % all);
  return numbers;
}

std::vector<index_t> corpus::to_show(index_t count) const {
  const index_t different = std::min(count, caption_count()), shown = std::min(different, most_shown);
  std::vector<index_t> places;
  for (index_t k = 0; k < shown; ++k) places.push_back(k * different / shown);
  return places;
}

std::string corpus::short_caption(index_t number) const {
  std::size_t same = 0;
  const std::string& first = captions_.front();
  const auto all_have = [&](std::size_t n) {
    return std::all_of(captions_.begin(), captions_.end(),
                       [&](const std::string& c) { return c.size() > n && c[n] == first[n]; });
  };
  while (same < first.size() && all_have(same)) ++same;
  const std::size_t space = first.substr(0, same).rfind(' ');
  return caption(number).substr(space == first.npos ? 0 : space + 1);
}

corpus fashion_corpus(const std::filesystem::path& folder) {
  const auto train = support::read_fashion_mnist(support::data_split::train, folder);
  const auto test = support::read_fashion_mnist(support::data_split::test, folder);
  std::vector<std::string> captions;
  for (const auto name : support::fashion_mnist_classes)
    captions.push_back("a photo of " + support::with_article(name));
  return {"Fashion-MNIST", {1, train.height, train.width}, captions, captioned_images(train), captioned_images(test)};
}

corpus emoji_corpus(index_t side, const std::filesystem::path& names, const std::filesystem::path& font) {
  std::vector<std::string> captions;
  std::vector<captioned> train, held_out;
  for (support::emoji_picture& e : support::draw_emoji(support::read_emoji_names(names), side, font)) {
    const auto number = static_cast<index_t>(captions.size());
    (number % 10 == 9 ? held_out : train).push_back({std::move(e.image.pixels), number});
    captions.push_back(std::move(e.name));
  }
  return {"colour emoji", {3, side, side}, captions, std::move(train), std::move(held_out)};
}

}  // namespace ablation
