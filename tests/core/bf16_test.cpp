// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE core_bf16
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "transfusion/core/bf16.hpp"

using transfusion::bf16;

BOOST_AUTO_TEST_CASE(every_bf16_survives_the_way_through_float) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    bf16 x;
    x.bits = static_cast<std::uint16_t>(bits);
    const float wide = x;
    if (std::isnan(wide))
      BOOST_TEST(std::isnan(float{bf16(wide)}));
    else
      BOOST_TEST(bf16(wide).bits == x.bits);
  }
}

// Between two neighbours: the nearer one; half way: the even one.
BOOST_AUTO_TEST_CASE(rounding_is_to_nearest_even) {
  BOOST_TEST(float{bf16(1 + 0x1p-9f)} == 1.0f);
  BOOST_TEST(float{bf16(1 + 0x1.8p-8f)} == 1 + 0x1p-7f);
  BOOST_TEST(float{bf16(1 + 0x1p-8f)} == 1.0f);           // half way to 1 + 2^-7, whose last bit is odd
  BOOST_TEST(float{bf16(1 + 0x1.8p-7f)} == 1 + 0x1p-6f);  // half way between odd and even: up
  BOOST_TEST(float{bf16(-1 - 0x1.01p-8f)} == -1 - 0x1p-7f);
  BOOST_TEST(float{bf16(std::numeric_limits<float>::max())} == std::numeric_limits<float>::infinity());
  BOOST_TEST(float{bf16(-std::numeric_limits<float>::infinity())} == -std::numeric_limits<float>::infinity());
  BOOST_TEST(std::isnan(float{bf16(std::numeric_limits<float>::quiet_NaN())}));
  BOOST_TEST(std::signbit(float{bf16(-0.0f)}));
  static_assert(float{bf16(0.5f)} == 0.5f);
}
