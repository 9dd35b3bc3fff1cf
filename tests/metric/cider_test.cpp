// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE metric_cider
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "transfusion/metric/cider.hpp"

namespace tf = transfusion;

namespace {

using words = std::vector<std::string>;
using tokens = std::vector<tf::token_t>;

words split(const std::string& caption) {
  std::istringstream in(caption);
  words all;
  for (std::string w; in >> w;) all.push_back(w);
  return all;
}

struct captioned {
  std::string candidate;
  std::vector<std::string> references;
};

tf::item_scores score(const std::vector<captioned>& images) {
  std::vector<words> candidates;
  std::vector<std::vector<words>> references;
  for (const captioned& i : images) {
    candidates.push_back(split(i.candidate));
    references.emplace_back();
    for (const std::string& r : i.references) references.back().push_back(split(r));
  }
  return tf::cider_d(candidates, references);
}

struct golden {
  std::string candidate;
  std::vector<std::string> references;
  double score;
};
const std::vector<golden> of_coco = {
#include "golden/cider.txt"
};

/// The score of the first image, which has one reference; the others are about something else, but all have "all".
double first_score(const std::string& candidate, const std::string& reference) {
  return score({{candidate, {reference}}, {"p", {"p q r s all"}}, {"t", {"t u v w all"}}}).each[0];
}

double penalty(double more) { return std::exp(-more * more / 72); }

}  // namespace

BOOST_AUTO_TEST_CASE(scores_are_those_of_the_coco_evaluation) {
  std::vector<captioned> images;
  double mean = 0;
  for (const golden& g : of_coco) {
    images.push_back({g.candidate, g.references});
    mean += g.score / static_cast<double>(of_coco.size());
  }
  const auto found = score(images);
  BOOST_REQUIRE(found.each.size() == of_coco.size());
  for (std::size_t i = 0; i < of_coco.size(); ++i) BOOST_TEST_CONTEXT("candidate '" << of_coco[i].candidate << "'")
  BOOST_TEST(std::abs(found.each[i] - of_coco[i].score) < 1e-12);
  BOOST_TEST(std::abs(found.mean - mean) < 1e-12);
}

BOOST_AUTO_TEST_CASE(the_reference_itself_scores_ten_with_four_words_or_more) {
  BOOST_TEST(std::abs(first_score("a b c d", "a b c d") - 10) < 1e-12);
  BOOST_TEST(std::abs(first_score("a b a b a c all", "a b a b a c all") - 10) < 1e-12);
  for (int count = 1; count < 4; ++count) {
    const std::string caption = std::string("a b c").substr(0, static_cast<std::size_t>(2 * count - 1));
    BOOST_TEST(std::abs(first_score(caption, caption) - 2.5 * count) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(words_that_are_not_the_references_score_nothing) {
  BOOST_TEST(first_score("x y z", "a b c d") == 0);
  BOOST_TEST(first_score("", "a b c d") == 0);
  BOOST_TEST(first_score("a b c d", "") == 0);
}

BOOST_AUTO_TEST_CASE(a_word_of_all_images_weighs_nothing) {
  BOOST_TEST(first_score("all", "a all") == 0);
  BOOST_TEST(first_score("x all", "a all") == 0);
}

BOOST_AUTO_TEST_CASE(longer_and_shorter_captions_pay_by_the_square_of_their_difference) {
  // "all" has the weight 0, and the reference no two words.
  const auto images = [](const std::string& candidate) {
    return score({{candidate, {"a", "all"}}, {"p", {"p q r s all"}}}).each[0];
  };
  std::string candidate = "a";
  for (int longer = 0; longer < 12; ++longer, candidate += " all")
    BOOST_TEST(std::abs(images(candidate) - 2.5 * penalty(longer) / 2) < 1e-12);
}

BOOST_AUTO_TEST_CASE(repeating_a_word_gains_nothing) {
  // Twice the word: a vector twice as long, of which the reference's part counts.
  BOOST_TEST(std::abs(first_score("a a", "a") - 2.5 / 2 * penalty(1)) < 1e-12);
  BOOST_TEST(std::abs(first_score("a a a a a", "a") - 2.5 / 5 * penalty(4)) < 1e-12);
}

BOOST_AUTO_TEST_CASE(rare_words_weigh_more) {
  const std::vector<captioned> others = {{"x", {"often p q r"}}, {"x", {"s t u v"}}, {"x", {"w y z o"}}};
  const auto with = [&](const std::string& candidate) {
    std::vector<captioned> images = others;
    images.push_back({candidate, {"often rare"}});
    return score(images).each.back();
  };
  // log 2 and log 4, as two of four images have the one and one has the other.
  const double often = std::log(2.0), rare = std::log(4.0), norm = std::hypot(often, rare);
  BOOST_TEST(std::abs(with("often") - 2.5 * penalty(1) * often / norm) < 1e-12);
  BOOST_TEST(std::abs(with("rare") - 2.5 * penalty(1) * rare / norm) < 1e-12);
}

BOOST_AUTO_TEST_CASE(references_count_alike_in_any_order) {
  const std::vector<captioned> other = {{"x", {"x y"}}};
  const auto with = [&](std::vector<std::string> references) {
    return score({{"a b c d", std::move(references)}, other[0]}).each[0];
  };
  BOOST_TEST(std::abs(with({"a b c d", "e f"}) - 5) < 1e-12);
  BOOST_TEST(std::abs(with({"e f", "a b c d"}) - 5) < 1e-12);
  BOOST_TEST(std::abs(with({"e f", "a b c d", "a b c d"}) - 20.0 / 3) < 1e-12);
}

BOOST_AUTO_TEST_CASE(words_may_be_tokens) {
  const std::vector<tokens> candidates = {{7, 7, 3}, {5}};
  const std::vector<std::vector<tokens>> references = {{{7, 3}, {3, 7, 7}}, {{5, 9}}};
  const auto of_tokens = tf::cider_d(candidates, references);
  const auto of_words = score({{"b b a", {"b a", "a b b"}}, {"x", {"x y"}}});
  BOOST_TEST(of_tokens.each == of_words.each, boost::test_tools::per_element());
  BOOST_TEST(of_tokens.mean > 0);
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused) {
  BOOST_CHECK_THROW(score({}), tf::config_error);
  BOOST_CHECK_THROW(score({{"a", {"a"}}}), tf::config_error);
  BOOST_CHECK_THROW(score({{"a", {"a"}}, {"b", {}}}), tf::config_error);
  BOOST_CHECK_THROW(tf::cider_d<std::string>({{"a"}, {"b"}}, {{{"a"}}}), tf::shape_error);
}
