// SPDX-License-Identifier: Apache-2.0
// Some 200 variants in which every policy of each family meets every policy of every other one. Each builds, passes a
// directional-derivative check, trains, is saved and loaded, and generates. The parts of the list are compiled apart.
#define BOOST_TEST_MODULE variants
#include <boost/test/unit_test.hpp>
#include <exception>

#include "variants/families.hpp"
#include "variants/trial.hpp"

namespace variants {

std::vector<numbered_trial>& trials() {
  static std::vector<numbered_trial> all;
  return all;
}

namespace {

tf::image drawn(tf::index_t height, tf::index_t width, std::uint64_t seed) {
  tf::image im{{2, height, width}, {}};
  const tf::random_key key{seed, 0, tf::stream::test};
  for (tf::index_t i = 0; i < im.shape.size(); ++i)
    im.values.push_back(static_cast<float>(2 * key.uniform(static_cast<std::uint64_t>(i)) - 1));
  return im;
}

std::string names_of(std::size_t n) {
  std::string text;
  for (std::size_t f = 0; f < families; ++f) text += (f ? " " : "") + std::to_string(choices[n][f]);
  return text;
}

}  // namespace

std::vector<tf::document> documents() {
  tf::document first{tf::text{{5, 6, 7}}, drawn(4, 4, 1), tf::text{{8}}, drawn(2, 6, 2), tf::text{{9, 10}}};
  first.prefix_segments = 1;
  return {first, {drawn(6, 4, 3), tf::text{{11, 12, 4, 5}}}, {tf::text{{6, 6, 8, 9, 12}}}};
}

tf::document prompt() {
  tf::document p{tf::text{{5, 6}}};
  p.prefix_segments = 1;
  return p;
}

}  // namespace variants

using namespace variants;

BOOST_AUTO_TEST_CASE(every_policy_meets_every_other) {
  met_pairs<families, most_in_family> met;
  for (const auto& row : choices) met.add(row);
  const int missing = met.missing(sizes);
  BOOST_TEST(missing == -1,
             "families " << missing / static_cast<int>(families) << " and " << missing % static_cast<int>(families));
  for (std::size_t size : sizes) BOOST_TEST(size <= most_in_family);
}

BOOST_AUTO_TEST_CASE(every_variant_works) {
  std::vector<char> seen(count);
  for (const numbered_trial& t : trials()) {
    seen.at(t.number) = 1;
    std::string fault;
    try {
      fault = t.run();
    } catch (const std::exception& e) {
      fault = e.what();
    }
    BOOST_TEST(fault == "", "variant " << t.number << " (policies " << names_of(t.number) << "): " << fault);
  }
  BOOST_TEST(std::count(seen.begin(), seen.end(), 1) == static_cast<std::ptrdiff_t>(count));
}
