// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE layer_residual_block
#include "transfusion/layer/residual_block.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "autograd/gradient_cases.hpp"
#include "transfusion/layer/image_attention.hpp"

using namespace gradient_cases;

namespace {

// Two images of 2 × 3 and 1 × 2 pixels.
const std::vector<image_place> places{{0, 0, {1, 2, 3}}, {6, 6, {1, 1, 2}}};
constexpr index_t pixels = 8;

template <class Exec>
pixel_level finest(pixel_pyramid& pyramid, tape<Exec>& t) {
  return pyramid.build(t, places)[0];
}

/// Rows that are parameters: so that one check covers weights and inputs.
template <class Exec>
var<Exec> rows_of(tape<Exec>& t, parameter<Exec> p) {
  auto x = t.variable(p.rows(), p.cols());
  t.exec().copy(x.value().flat(), p.flat_value());
  t.on_backward([=](auto& b) {
    const auto to = p.gradient();
    b.exec().accumulate({to, true}, b.gradient(x));
  });
  return x;
}

/// A layer's weights, all drawn.
template <class Exec>
struct drawn_set {
  using exec_type = Exec;
  Exec policy;
  parameter_set<Exec> set;

  Exec& exec() { return policy; }
  parameter_set<Exec>& parameters() { return set; }
  void draw() {
    set.allocate(policy, 1);
    std::uint32_t number = 0;
    set.each([&](auto p) { policy.normal(p.master(), {31, number++, stream::test}, 0.5); });
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(residual_block_gradients, Exec, test_support::double_policies) {
  for (const index_t out : {4, 6}) {  // without a shortcut's weights, and with
    drawn_set<poisoned<Exec>> all;
    pixel_pyramid pyramid({3, 3}, {2, 2}, 1);
    const auto x = all.set.declare("x", {pixels, 4}, drawn), time = all.set.declare("time", {2, 3}, drawn);
    const layer::residual_block<poisoned<Exec>> block(all.set, "block", 9, 4, out, 3, 2);
    all.draw();
    const auto report = transfusion::testing::directional_check(
        all,
        [&](auto& t) { return weighted_output(t, block(t, rows_of(t, x), rows_of(t, time), finest(pyramid, t)), key); },
        key);
    expect(report, shape_text(out));
    BOOST_TEST(report.checked == all.set.size());
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(image_attention_gradients, Exec, test_support::double_policies) {
  drawn_set<poisoned<Exec>> all;
  pixel_pyramid pyramid({3, 3}, {2, 2}, 1);
  const auto x = all.set.declare("x", {pixels, 6}, drawn);
  const layer::image_attention<poisoned<Exec>> attention(all.set, "attention", 6, 2, 3);
  all.draw();
  const auto report = transfusion::testing::directional_check(
      all, [&](auto& t) { return weighted_output(t, attention(t, rows_of(t, x), finest(pyramid, t)), key); }, key);
  BOOST_CHECK_MESSAGE(report.within(1e-7), report.text());
  BOOST_TEST(report.checked == all.set.size());
}

// Both start as the identity.
BOOST_AUTO_TEST_CASE(an_untrained_layer_passes_its_input_on) {
  using exec_type = poisoned<reference_exec<double>>;
  exec_type exec;
  parameter_set<exec_type> set;
  pixel_pyramid pyramid({3, 3}, {2, 2}, 1);
  const layer::residual_block<exec_type> block(set, "block", 9, 4, 4, 3, 2);
  const layer::image_attention<exec_type> attention(set, "attention", 4, 2, 2);
  set.allocate(exec, 1);
  tape<exec_type> t(exec);
  auto x = t.variable(pixels, 4), time = t.variable(2, 3);
  exec.normal(x.value().flat(), key, 1);
  exec.normal(time.value().flat(), key, 1);
  const auto level = finest(pyramid, t);
  BOOST_TEST(on_host(exec, block(t, x, time, level).value()) == on_host(exec, x.value()),
             boost::test_tools::per_element());
  BOOST_TEST(on_host(exec, attention(t, x, level).value()) == on_host(exec, x.value()),
             boost::test_tools::per_element());
}

// Weights start so that a convolution keeps the size of what passes, in the middle of an image.
BOOST_AUTO_TEST_CASE(a_convolution_keeps_the_size_of_its_input) {
  using exec_type = reference_exec<double>;
  exec_type exec;
  parameter_set<exec_type> set;
  const layer::convolution<exec_type> c(set, "c", 9, 16, 32);
  set.allocate(exec, 1);
  double squares = 0;
  for (double w : on_host(exec, c.weight.value())) squares += w * w;
  BOOST_TEST(squares / 32 == 1, boost::test_tools::tolerance(0.05));
  BOOST_TEST((c.weight.shape() == std::vector<index_t>{32, 9, 16}));
}
