// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE core_error
#include <boost/test/unit_test.hpp>
#include <string>
#include <type_traits>

#include "transfusion/core/error.hpp"

using namespace transfusion;

static_assert(std::is_base_of_v<std::runtime_error, error>);
static_assert(std::is_base_of_v<error, shape_error> && std::is_base_of_v<error, config_error>);
static_assert(std::is_base_of_v<error, format_error> && std::is_base_of_v<error, io_error>);
static_assert(std::is_base_of_v<error, device_error> && std::is_base_of_v<error, numeric_error>);

namespace {

template <class Error, class F>
std::string text_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing thrown";
}

}  // namespace

BOOST_AUTO_TEST_CASE(parts_are_joined) {
  const std::string name = "blocks.0.wq";
  BOOST_TEST(text_of<format_error>([&] {
               require<format_error>(false, name, ": ", 3, " of ", 4u, std::string_view(" rows"));
             }) == "blocks.0.wq: 3 of 4 rows");
}

BOOST_AUTO_TEST_CASE(numbers_read_well) {
  const auto number = [](auto v) { return text_of<config_error>([&] { require<config_error>(false, v); }); };
  BOOST_TEST(number(0.5) == "0.5");
  BOOST_TEST(number(-2.0) == "-2");
  BOOST_TEST(number(1.25f) == "1.25");
  BOOST_TEST(number(index_t{1} << 40) == "1099511627776");
  BOOST_TEST(number(token_t{-1}) == "-1");
}

BOOST_AUTO_TEST_CASE(what_holds_throws_nothing) {
  BOOST_CHECK_NO_THROW(require<config_error>(true, "never"));
  BOOST_CHECK_NO_THROW(require_extent("x", 3, 3));
}

BOOST_AUTO_TEST_CASE(extents) {
  BOOST_TEST(text_of<shape_error>([] { require_extent("head", 3, 5); }) == "head: found 3, expected 5");
}
