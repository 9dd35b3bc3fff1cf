// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE core_philox
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>
#include <vector>

#include "support/policies.hpp"
#include "transfusion/core/philox.hpp"

using namespace transfusion;

namespace {

constexpr bool gives(philox::block counter, std::uint32_t key0, std::uint32_t key1, philox::block expected) {
  const philox::block found = philox::generate(counter, key0, key1);
  for (int i = 0; i < 4; ++i)
    if (found.word[i] != expected.word[i]) return false;
  return true;
}

// The known answers of Random123's kat_vectors for philox4x32-10: zeros, ones, digits of pi.
static_assert(gives({{0, 0, 0, 0}}, 0, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
static_assert(gives({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffff, 0xffffffff,
                    {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
static_assert(gives({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0,
                    {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));

// Where the parts of a key and the element number go.
static_assert(random_key{0x299f31d0a4093822, 0, stream::weights}.block(0).word[0] ==
              philox::generate({{0, 0, 0, 0}}, 0xa4093822, 0x299f31d0).word[0]);
static_assert(random_key{5, 6, stream::dropout}.block(0x700000008).word[3] ==
              philox::generate({{8, 7, 6, static_cast<std::uint32_t>(stream::dropout)}}, 5, 0).word[3]);
static_assert(random_key{1, 2, stream::noise}.bits(6) == random_key{1, 2, stream::noise}.block(1).word[2]);

static_assert(random_key::to_uniform(0) > 0 && random_key::to_uniform(0xffffffff) < 1);
static_assert(random_key::to_uniform(0x80000000) - 0.5 == 0x1p-33);

constexpr int count = 200000;
constexpr random_key key{42, 7, stream::test};

/// The mean of f over `count` elements lies within five of its own standard deviations of what it should be.
template <class F>
void mean_is(F f, double expected, double variance) {
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += f(static_cast<std::uint64_t>(i));
  BOOST_TEST(std::abs(sum / count - expected) < 5 * std::sqrt(variance / count));
}

}  // namespace

BOOST_AUTO_TEST_CASE(uniform_moments) {
  const auto u = [](std::uint64_t i) { return key.uniform(i); };
  mean_is(u, 0.5, 1.0 / 12);
  mean_is([&](auto i) { return u(i) * u(i); }, 1.0 / 3, 4.0 / 45);
  mean_is([&](auto i) { return (u(i) - 0.5) * (u(i + 1) - 0.5); }, 0, 1.0 / 144);
  for (int i = 0; i < count; ++i)
    BOOST_REQUIRE((u(static_cast<std::uint64_t>(i)) > 0 && u(static_cast<std::uint64_t>(i)) < 1));
}

BOOST_AUTO_TEST_CASE(whole_numbers_below) {
  std::vector<int> hits(7);
  for (std::uint64_t i = 0; i < 70000; ++i) {
    const index_t n = key.below(i, 7);
    BOOST_REQUIRE((n >= 0 && n < 7));
    ++hits[static_cast<std::size_t>(n)];
  }
  for (int h : hits) BOOST_TEST(std::abs(h - 10000) < 5 * std::sqrt(10000.0));
  for (std::uint64_t i = 0; i < 100; ++i) BOOST_TEST(key.below(i, 1) == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(normal_moments, Exec, test_support::policies) {
  Exec exec;
  std::vector<typename Exec::scalar> x(count);
  exec.normal({x.data(), count}, key, 1.0);
  const auto at = [&](std::uint64_t i) { return static_cast<double>(x[static_cast<std::size_t>(i) % count]); };
  mean_is(at, 0, 1);
  mean_is([&](auto i) { return at(i) * at(i); }, 1, 2);
  mean_is([&](auto i) { return at(i) * at(i) * at(i); }, 0, 15);
  mean_is([&](auto i) { return std::pow(at(i), 4); }, 3, 96);
  for (const std::uint64_t lag : {1u, 2u, 3u, 4u}) mean_is([&](auto i) { return at(i) * at(i + lag); }, 0, 1);
  mean_is([&](auto i) { return std::abs(at(i)) < 1 ? 1.0 : 0.0; }, std::erf(std::sqrt(0.5)), 0.25);
}

// Element i does not depend on where a call begins: parts of a sequence are the sequence.
BOOST_AUTO_TEST_CASE_TEMPLATE(parts_of_a_sequence, Exec, test_support::policies) {
  using scalar = typename Exec::scalar;
  Exec exec;
  std::vector<scalar> whole(103), part(103);
  exec.normal({whole.data(), 103}, key, 2.0);
  for (const index_t cut : {0, 1, 2, 3, 4, 50, 102, 103}) {
    exec.normal({part.data(), cut}, key, 2.0);
    exec.normal({part.data() + cut, 103 - cut}, key, 2.0, cut);
    BOOST_TEST(part == whole, boost::test_tools::per_element());
  }
}

// Seeds, steps and streams name different sequences.
BOOST_AUTO_TEST_CASE(sequences_differ) {
  std::set<std::uint64_t> seen;
  std::size_t keys = 0;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32})
    for (const std::uint32_t step : {0u, 1u, 2u})
      for (const stream purpose : {stream::weights, stream::data_order, stream::timestep, stream::noise,
                                   stream::dropout, stream::text_sampling, stream::solver_noise, stream::test}) {
        const auto b = random_key{seed, step, purpose}.block(0);
        seen.insert(std::uint64_t{b.word[0]} << 32 | b.word[1]);
        ++keys;
      }
  BOOST_TEST(seen.size() == keys);
}
