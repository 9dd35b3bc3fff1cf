// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "support/policies.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/testing/poisoned.hpp"

// What the gradient checks of operations share. Include after BOOST_TEST_MODULE is defined.
namespace gradient_cases {

using namespace transfusion;
using transfusion::testing::gradient_check;
using transfusion::testing::gradient_report;
using transfusion::testing::on_host;
using transfusion::testing::poisoned;
using transfusion::testing::weighted_output;

inline constexpr double limit = 1e-8;
inline constexpr random_key key{99, 0, stream::test};
inline constexpr initial_value drawn = initial_value::normal(1);

inline void expect(const gradient_report& report, const std::string& shape) {
  BOOST_CHECK_MESSAGE(report.within(limit), shape << ": " << report.text());
}
template <class... Extents>
std::string shape_text(Extents... extents) {
  std::string s;
  ((s += std::to_string(extents) + " "), ...);
  return s;
}

/// Random whole numbers below `below`, or `ignored` where asked for now and then.
inline std::vector<token_t> random_tokens(index_t count, index_t below, std::uint64_t seed, bool some_ignored = false) {
  const random_key draw{seed, 7, stream::test};
  std::vector<token_t> ids;
  for (index_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(2 * i);
    ids.push_back(some_ignored && draw.below(at, 3) == 0 ? ignored : static_cast<token_t>(draw.below(at + 1, below)));
  }
  return ids;
}

struct sizes {
  index_t rows, in, out;
};
inline constexpr sizes shapes[] = {{1, 1, 1}, {1, 5, 3}, {4, 1, 2}, {3, 7, 5}, {9, 4, 17}};

}  // namespace gradient_cases
