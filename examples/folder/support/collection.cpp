// SPDX-License-Identifier: Apache-2.0
#include "folder/support/collection.hpp"

#include <algorithm>

#include "transfusion/train/data_order.hpp"

namespace folder {

std::unique_ptr<support::vocabulary> make_vocabulary(const std::string& kind,
                                                     const std::vector<std::string>& captions) {
  if (kind == "word") return std::make_unique<support::word_vocabulary>(captions);
  if (kind == "byte") return std::make_unique<support::byte_vocabulary>();
  throw tf::config_error("vocabulary: found \"" + kind + "\", expected word or byte");
}

collection::collection(const std::filesystem::path& folder, support::captioned_folder read,
                       const support::vocabulary& words)
    : items_(std::move(read.items)) {
  for (const support::captioned_image& item : items_) try {
      captions_.push_back({words.encode(item.caption)});
    } catch (const tf::config_error& fault) {
      throw tf::config_error((folder / "captions.jsonl").string() + ":" + std::to_string(item.line) + ": " +
                             fault.what());
    }
}

tf::image collection::picture(index_t i) const {
  const support::byte_image& image = items_[static_cast<std::size_t>(i)].image;
  return {image.shape, image.values()};
}

index_t collection::longest_caption() const {
  index_t longest = 0;
  for (const tf::text& caption : captions_) longest = std::max(longest, static_cast<index_t>(caption.tokens.size()));
  return longest;
}

std::vector<tf::document> collection::documents(index_t step, const settings& s) const {
  const tf::data_order order(s.seed, size());
  const tf::random_key choice{s.seed, static_cast<std::uint32_t>(step), tf::stream::document_order};
  std::vector<tf::document> documents;
  for (index_t i = 0; i < s.pairs; ++i) {
    const index_t item = order(step * s.pairs + i);
    const tf::segment words = caption(item), shown = picture(item);
    const bool picture_first = choice.uniform(static_cast<std::uint64_t>(i)) < s.picture_first;
    documents.push_back(picture_first ? tf::document{shown, words} : tf::document{words, shown});
  }
  return documents;
}

}  // namespace folder
