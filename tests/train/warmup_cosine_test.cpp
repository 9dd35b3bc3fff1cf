// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE train_warmup_cosine
#include <boost/test/unit_test.hpp>

#include "transfusion/train/warmup_cosine.hpp"

namespace tf = transfusion;

namespace {
bool near(double found, double expected) { return std::abs(found - expected) <= 1e-15 + 1e-12 * std::abs(expected); }
}  // namespace

BOOST_AUTO_TEST_CASE(the_paper_warms_up_over_4000_steps_and_falls_to_a_twentieth) {
  const tf::warmup_cosine rate;
  BOOST_TEST(near(rate(0), 3e-4 / 4000));
  BOOST_TEST(near(rate(1999), 1.5e-4));
  BOOST_TEST(near(rate(3999), 3e-4));
  BOOST_TEST(near(rate(4000), 3e-4));
  BOOST_TEST(near(rate(127000), (3e-4 + 1.5e-5) / 2));  // half of the way from 4000 to 250000
  BOOST_TEST(near(rate(250000), 1.5e-5));
  BOOST_TEST(near(rate(300000), 1.5e-5));
}

BOOST_AUTO_TEST_CASE(the_fall_is_half_a_cosine) {
  const tf::warmup_cosine rate{2, 1, 10, 70};
  BOOST_TEST(near(rate(30), 1.75));  // a third: cos 60°
  BOOST_TEST(near(rate(25), 1.5 + 0.5 * std::sqrt(0.5)));
  BOOST_TEST(near(rate(50), 1.25));
  for (tf::index_t s = 10; s < 70; ++s) BOOST_TEST(rate(s + 1) < rate(s));
  for (tf::index_t s = 0; s < 9; ++s) BOOST_TEST(near(rate(s + 1) - rate(s), 0.2));
}

BOOST_AUTO_TEST_CASE(there_may_be_no_warm_up_and_nothing_after_it) {
  BOOST_TEST((tf::warmup_cosine{2, 1, 0, 10})(0) == 2);
  const tf::warmup_cosine only_warmup{2, 1, 10, 10};
  BOOST_TEST(only_warmup(9) == 2);
  BOOST_TEST(only_warmup(10) == 1);
}
