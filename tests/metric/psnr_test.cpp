// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE metric_psnr
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "transfusion/metric/psnr.hpp"

namespace tf = transfusion;
namespace tt = boost::test_tools;

namespace {

/// One channel of two rows, all of one value.
tf::image flat(float value, tf::index_t width = 3) {
  return {{1, 2, width}, std::vector<float>(static_cast<std::size_t>(2 * width), value)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_error_that_is_everywhere_the_same_has_a_closed_form) {
  for (const float apart : {0.02f, 0.5f, 1.5f})
    BOOST_TEST(tf::psnr(flat(-0.75f + apart), flat(-0.75f)) == 20 * std::log10(2 / double{apart}), tt::tolerance(1e-6));
  BOOST_TEST(tf::psnr(flat(1), flat(-1)) == 0.0);  // the whole range away
  tf::image one_value = flat(0);
  one_value.values[4] = 0.5f;  // a mean of 0.25 / 6
  BOOST_TEST(tf::psnr(one_value, flat(0)) == 10 * std::log10(96), tt::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(what_was_found_is_clamped_to_the_range) {
  BOOST_TEST(tf::psnr(flat(7), flat(0.5f)) == tf::psnr(flat(1), flat(0.5f)));
  BOOST_TEST(tf::psnr(flat(-7), flat(0.5f)) == tf::psnr(flat(-1), flat(0.5f)));
  BOOST_TEST(tf::psnr(flat(1.5f), flat(1)) == std::numeric_limits<double>::infinity());
}

BOOST_AUTO_TEST_CASE(equal_images_have_no_finite_one) {
  BOOST_TEST(tf::psnr(flat(0.3f), flat(0.3f)) == std::numeric_limits<double>::infinity());
}

BOOST_AUTO_TEST_CASE(images_together_are_measured_by_all_their_values) {
  const std::vector<tf::image> found{flat(0.5f, 1), flat(0, 3), flat(-0.25f, 4)},
      wanted{flat(0, 1), flat(0, 3), flat(0, 4)};
  const double mean = (2 * 0.25 + 6 * 0 + 8 * 0.0625) / 16;
  BOOST_TEST(tf::psnr(found, wanted) == 10 * std::log10(4 / mean), tt::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused) {
  BOOST_CHECK_THROW(tf::psnr(flat(0, 3), flat(0, 4)), tf::shape_error);
  BOOST_CHECK_THROW(tf::psnr({{2, 2, 3}, std::vector<float>(12)}, {{2, 3, 2}, std::vector<float>(12)}),
                    tf::shape_error);
  BOOST_CHECK_THROW(tf::psnr({{1, 2, 3}, std::vector<float>(5)}, flat(0)), tf::shape_error);
  const std::vector<tf::image> none, one{flat(0)}, two{flat(0), flat(0)};
  BOOST_CHECK_THROW(tf::psnr(one, two), tf::shape_error);
  BOOST_CHECK_THROW(tf::psnr(none, none), tf::config_error);
  BOOST_CHECK_THROW(tf::psnr(flat(std::nanf("")), flat(0)), tf::numeric_error);
}
