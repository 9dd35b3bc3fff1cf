// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_gradient
#include <boost/test/unit_test.hpp>
#include <string>

#include "model/small_model.hpp"
#include "support/policies.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/testing/poisoned.hpp"

using namespace small_model;
using transfusion::testing::directional_check;
using transfusion::testing::poisoned;

namespace {

constexpr double limit = 1e-8;

/// Each parameter of the whole model, along a random direction, for the documents given.
template <class Variant, class Exec>
void check(const model_config<Variant>& c, const std::vector<document>& docs, const std::string& what) {
  poisoned<Exec> exec;
  model<Variant, poisoned<Exec>> m(exec, c, 1);
  shake(m);
  const auto batch = m.pack(docs);
  const auto plan = m.plan_noise(batch, step_key);
  const auto report =
      directional_check(m, [&](auto& tape) { return objective(m, tape, batch, plan); }, {5, 0, stream::test});
  BOOST_CHECK_MESSAGE(report.within(limit), what << ": " << report.text());
  BOOST_TEST(report.checked == m.parameters().size());
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(paper_variant, Exec, test_support::double_policies) {
  check<paper, Exec>(config(), documents(), "all documents");
  for (const document& d : documents()) check<paper, Exec>(config(), {d}, "one document");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(heads_of_their_own, Exec, test_support::double_policies) {
  auto c = config();
  c.kv_heads = 0;
  c.heads = 3;
  check<paper, Exec>(c, documents(), "kv_heads = heads");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(ablations, Exec, test_support::double_policies) {
  check<causal_only, Exec>(config<causal_only>(), documents(), "causal");
  check<v_prediction, Exec>(config<v_prediction>(), documents(), "v");
  check<rectified, Exec>(config<rectified>(), documents(), "rectified flow, velocity");
  check<snr_weighted, Exec>(config<snr_weighted>(), documents(), "min-SNR");
  check<noise_limited, Exec>(config<noise_limited>(), documents(), "t <= 500 for leading images");
  check<with_hole, Exec>(config<with_hole>(), documents(), "two intervals");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(time_before_the_projection, Exec, test_support::double_policies) {
  auto c = config();
  c.codec.time = codec::time_place::before_projection;
  check<paper, Exec>(c, documents(), "W (p + e)");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(other_weights_and_patches, Exec, test_support::double_policies) {
  auto c = config();
  c.loss_weights = {0.3, 2};
  c.codec.patch = 1;
  c.layers = 1;
  check<paper, Exec>(c, documents(), "patches of one pixel");
}

// A gradient that is a little wrong must be found.
BOOST_AUTO_TEST_CASE(the_check_finds_a_wrong_gradient) {
  reference_exec<double> exec;
  model<paper, reference_exec<double>> m(exec, config(), 1);
  shake(m);
  const auto batch = m.pack(documents());
  const auto plan = m.plan_noise(batch, step_key);
  const auto before = on_host(exec, m.parameters().values());
  const auto report = directional_check(m,
                                        [&](auto& tape) {
                                          // Recorded, the text counts a little less than in what is differentiated
                                          // numerically.
                                          step_share share;
                                          share.all.add(batch);
                                          ++share.all.text_rows;
                                          return tape.records() ? objective(m, tape, batch, plan, share)
                                                                : objective(m, tape, batch, plan);
                                        },
                                        {5, 0, stream::test});
  BOOST_TEST(!report.within(1e-3));
  BOOST_TEST((on_host(exec, m.parameters().values()) == before));
}
