// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_block_gradient
#include <boost/test/unit_test.hpp>
#include <string>

#include "model/block_variants.hpp"
#include "transfusion/autograd/op/squared_error.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/loss/z_loss.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/testing/poisoned.hpp"

using namespace small_model;
using transfusion::testing::directional_check;
using transfusion::testing::poisoned;

namespace {

// Norms of the small model are strongly curved: the differences are exact to some 1e-7 of the largest derivative.
constexpr double limit = 1e-6;
using oracle = poisoned<reference_exec<double>>;

template <class Variant>
void check(const model_config<Variant>& c, const std::string& what) {
  oracle exec;
  model<Variant, oracle> m(exec, c, 1);
  shake(m);
  const auto batch = m.pack(documents());
  const auto plan = m.plan_noise(batch, step_key);
  const auto report =
      directional_check(m, [&](auto& tape) { return objective(m, tape, batch, plan); }, {5, 0, stream::test});
  BOOST_CHECK_MESSAGE(report.within(limit), what << ": " << report.text());
  BOOST_TEST(report.checked == m.parameters().size());
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_part_of_a_block) {
  each_block_variant([](auto v, const std::string& what) {
    auto c = config<decltype(v)>();
    c.width = 16;  // heads of 8: pairs for three axes
    check(c, what);
  });
}

BOOST_AUTO_TEST_CASE(smoothed_labels) {
  auto c = config();
  c.label_smoothing = 0.2;
  check(c, "label smoothing");
}

namespace {

struct with_z : paper {
  using loss = transfusion::loss::weighted_sum<transfusion::loss::next_token, transfusion::loss::z_loss,
                                               transfusion::loss::denoising>;
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_denominators_loss) {
  oracle exec;
  auto c = config<with_z>();
  c.loss_weights = {0.7, 0.05, 2};
  model<with_z, oracle> m(exec, c, 1);
  shake(m);
  const auto batch = m.pack(documents());
  const auto plan = m.plan_noise(batch, step_key);
  const auto report = directional_check(m,
                                        [&](auto& tape) {
                                          const auto losses = m.loss(tape, batch, plan);
                                          double sum = 0;
                                          for (std::size_t i = 0; i < 3; ++i)
                                            sum += c.loss_weights[i] * losses.mean(exec, i);
                                          return sum;
                                        },
                                        {5, 0, stream::test});
  BOOST_CHECK_MESSAGE(report.within(limit), report.text());
}

// Dropout is drawn by the caller's key, so that a recorded and an unrecorded pass leave out the same values.
BOOST_AUTO_TEST_CASE(values_left_out) {
  oracle exec;
  auto c = config<everything_else>();
  c.width = 16;
  c.dropout = 0.4;
  model<everything_else, oracle> m(exec, c, 1);
  shake(m);
  const auto batch = m.pack(documents());
  const auto plan = m.plan_noise(batch, step_key);
  const std::vector<double> values(batch.values.begin(), batch.values.end());
  const std::vector<double> weights(batch.images.size(), 1.0);
  const auto report = directional_check(m,
                                        [&](auto& tape) {
                                          auto in = m.inputs(tape, batch, tape.upload(values), plan);
                                          in.context.dropout = {true, {3, 4, stream::activation_dropout}, 100};
                                          const auto out = m.forward(tape, in);
                                          const auto errors =
                                              squared_error(tape, out.prediction, tape.upload(values),
                                                            tape.upload(batch.images), tape.upload(weights));
                                          double sum = 0;
                                          for (double e : on_host(exec, errors)) sum += e;
                                          return sum;
                                        },
                                        {5, 0, stream::test});
  BOOST_CHECK_MESSAGE(report.within(limit), report.text());
}
