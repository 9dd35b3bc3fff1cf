// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/metric/item_scores.hpp"

namespace transfusion {

namespace detail {

/// One to four words by their numbers from 1, filled up with 0.
using ngram = std::array<std::uint32_t, 4>;
using ngram_values = std::map<ngram, double>;

/// Where the values of n-grams of this length stand: 0 for one word, 3 for four.
inline std::size_t place_of(const ngram& n) {
  return n.size() - 1 - static_cast<std::size_t>(std::count(n.begin(), n.end(), 0u));
}

/// A caption as numbers of words.
using numbered_words = std::vector<std::uint32_t>;

/// Numbers words in the order in which they come.
template <class Word>
class word_numbers {
 public:
  numbered_words operator()(const std::vector<Word>& words) {
    numbered_words numbered;
    for (const Word& w : words)
      numbered.push_back(numbers_.emplace(w, static_cast<std::uint32_t>(numbers_.size() + 1)).first->second);
    return numbered;
  }

 private:
  std::map<Word, std::uint32_t> numbers_;
};

/// How often each n-gram stands in a caption.
inline ngram_values count_ngrams(const numbered_words& words) {
  ngram_values counts;
  for (std::size_t begin = 0; begin < words.size(); ++begin) {
    ngram n{};
    for (std::size_t i = 0; i < n.size() && begin + i < words.size(); ++i) {
      n[i] = words[begin + i];
      ++counts[n];
    }
  }
  return counts;
}

/// A caption as a vector over n-grams, each count weighed by how few images have the n-gram.
struct weighed_caption {
  ngram_values weights;
  std::array<double, 4> norm{};  ///< of the part of each n
  double words = 0;
};

/// How many of the images have an n-gram in one of their references.
class ngram_rarity {
 public:
  explicit ngram_rarity(const std::vector<std::vector<numbered_words>>& references)
      : log_images_(std::log(static_cast<double>(references.size()))) {
    for (const auto& of_image : references) {
      ngram_values once;
      for (const numbered_words& r : of_image) once.merge(count_ngrams(r));
      for (const auto& [n, count] : once) ++images_[n];
    }
  }

  weighed_caption weigh(const numbered_words& words) const {
    weighed_caption c{count_ngrams(words), {}, static_cast<double>(words.size())};
    for (auto& [n, weight] : c.weights) {
      weight *= log_images_ - std::log(images_with(n));
      c.norm[place_of(n)] += weight * weight;
    }
    for (double& norm : c.norm) norm = std::sqrt(norm);
    return c;
  }

 private:
  double images_with(const ngram& n) const {
    const auto found = images_.find(n);
    return found == images_.end() ? 1 : found->second;  // what no reference has counts as what one has
  }

  double log_images_;
  ngram_values images_;
};

/// The mean over n of the clipped cosine, times the penalty for another number of words.
inline double cider_similarity(const weighed_caption& candidate, const weighed_caption& reference) {
  constexpr double sigma = 6;
  std::array<double, 4> product{};
  for (const auto& [n, weight] : candidate.weights)
    if (const auto found = reference.weights.find(n); found != reference.weights.end())
      product[place_of(n)] += std::min(weight, found->second) * found->second;
  double sum = 0;
  for (std::size_t i = 0; i < product.size(); ++i)
    if (product[i] > 0) sum += product[i] / (candidate.norm[i] * reference.norm[i]);
  const double longer = candidate.words - reference.words;
  return sum / static_cast<double>(product.size()) * std::exp(-longer * longer / (2 * sigma * sigma));
}

}  // namespace detail

/// CIDEr-D of one candidate caption an image against the image's references (Vedantam et al. 2015), with the choices of
/// the COCO caption evaluation: n-grams of 1 to 4 words weighed by tf-idf, an image a document of the idf, counts
/// clipped to the reference's, a Gaussian penalty of σ = 6 words; from 0 to 10. A word is whatever std::less orders:
/// tokenise, and make case alike, before. Throws shape_error where there are not as many sets of references as
/// candidates, config_error where an image has no reference, or below two images (every weight is log 1 = 0 then). An
/// n-gram that every image has weighs 0, so images with the same references all score 0.
template <class Word>
item_scores cider_d(const std::vector<std::vector<Word>>& candidates,
                    const std::vector<std::vector<std::vector<Word>>>& references) {
  require_extent("cider_d: sets of references", static_cast<index_t>(references.size()),
                 static_cast<index_t>(candidates.size()));
  require<config_error>(candidates.size() > 1, "cider_d: found ", candidates.size(), " images, expected 2 at least");
  for (std::size_t i = 0; i < references.size(); ++i)
    require<config_error>(!references[i].empty(), "cider_d: image ", i, ": found no reference, expected 1 at least");

  detail::word_numbers<Word> numbers;
  std::vector<std::vector<detail::numbered_words>> numbered(references.size());
  for (std::size_t i = 0; i < references.size(); ++i)
    for (const auto& r : references[i]) numbered[i].push_back(numbers(r));
  const detail::ngram_rarity rarity(numbered);

  std::vector<double> scores;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const detail::weighed_caption candidate = rarity.weigh(numbers(candidates[i]));
    double sum = 0;
    for (const auto& r : numbered[i]) sum += detail::cider_similarity(candidate, rarity.weigh(r));
    scores.push_back(10 * sum / static_cast<double>(numbered[i].size()));
  }
  return item_scores::of(std::move(scores));
}

}  // namespace transfusion
