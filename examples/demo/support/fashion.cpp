// SPDX-License-Identifier: Apache-2.0
#include "demo/support/fashion.hpp"

namespace fashion {

namespace {

constexpr double picture_first_share = 0.35;
constexpr double two_pairs_share = 0.15;

}  // namespace

std::string caption(index_t label) {
  return "a photo of " + support::with_article(support::fashion_mnist_classes[static_cast<std::size_t>(label)]);
}

support::word_vocabulary vocabulary() {
  std::vector<std::string> captions;
  for (index_t c = 0; c < classes; ++c) captions.push_back(caption(c));
  return support::word_vocabulary(captions);
}

config default_config() {
  config c{.layers = 4, .width = 128, .heads = 4, .vocabulary = vocabulary().size()};
  c.codec = {.channels = picture_shape.channels, .patch = 4};
  return c;
}

data::data(const std::filesystem::path& folder)
    : train_(support::read_fashion_mnist(support::data_split::train, folder)),
      test_(support::read_fashion_mnist(support::data_split::test, folder)) {
  const auto words = vocabulary();
  for (index_t c = 0; c < classes; ++c) captions_.push_back({words.encode(caption(c))});
}

tf::image data::picture(const support::labelled_images& set, index_t i) const {
  tf::image picture{picture_shape, std::vector<float>(static_cast<std::size_t>(picture_shape.size()))};
  set.values(i, picture.values);
  return picture;
}

std::vector<tf::document> data::documents(index_t step, index_t pairs, std::uint64_t seed) const {
  const tf::data_order order(seed, train_.count);
  const tf::random_key choice{seed, static_cast<std::uint32_t>(step), tf::stream::document_order};
  std::vector<tf::document> documents;
  for (index_t i = 0; i < pairs;) {
    const auto draw = static_cast<std::uint64_t>(2 * i);
    const bool picture_first = choice.uniform(draw) < picture_first_share;
    const index_t held = choice.uniform(draw + 1) < two_pairs_share ? std::min<index_t>(2, pairs - i) : 1;
    tf::document d;
    for (index_t pair = 0; pair < held; ++pair, ++i) {
      const index_t item = order(step * pairs + i);
      tf::segment words = this->words(train_.label(item)), picture = this->picture(train_, item);
      if (picture_first) std::swap(words, picture);
      d.segments.push_back(std::move(words));
      d.segments.push_back(std::move(picture));
    }
    documents.push_back(std::move(d));
  }
  return documents;
}

}  // namespace fashion
