// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE core_policy_name
#include <boost/test/unit_test.hpp>

#include "transfusion/mask/causal.hpp"
#include "transfusion/mask/prefix.hpp"

namespace named {
struct policy {};
}  // namespace named

namespace {

struct unnamed {};
template <class>
struct over {};

}  // namespace

namespace tf = transfusion;

// Files hold these names, so the compilers must agree on them.
BOOST_AUTO_TEST_CASE(types_are_called_as_users_write_them) {
  BOOST_TEST(tf::policy_name<tf::mask::causal>() == "mask::causal");
  BOOST_TEST(tf::policy_name<tf::mask::prefix<tf::mask::causal>>() == "mask::prefix<mask::causal>");
  BOOST_TEST(tf::policy_name<named::policy>() == "named::policy");
  BOOST_TEST(tf::policy_name<unnamed>() == "unnamed");
  BOOST_TEST(tf::policy_name<over<unnamed>>() == "over<unnamed>");
}
