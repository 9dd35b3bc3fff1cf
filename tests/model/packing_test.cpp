// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_packing
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>

#include "model/small_model.hpp"
#include "support/policies.hpp"
#include "transfusion/sequence/caption_dropout.hpp"

using namespace small_model;

namespace {

template <class Scalar>
constexpr double limit = std::is_same_v<Scalar, float> ? 1e-5 : 1e-12;

template <class Exec>
struct step_result {
  std::vector<typename Exec::scalar> gradient;
  double losses[2];
};

/// One optimiser step's losses and gradients, its documents cut into the groups given.
template <class Variant, class Exec>
step_result<Exec> run(model<Variant, Exec>& m, const std::vector<std::vector<document>>& groups) {
  std::vector<packed_batch> batches;
  step_share share;
  for (const auto& group : groups) {
    batches.push_back(m.pack(group));
    share.all.add(batches.back());
  }
  m.parameters().allocate_gradients();
  m.parameters().zero_gradients();
  step_result<Exec> result{{}, {0, 0}};
  tape<Exec> tape(m.exec());
  for (const packed_batch& b : batches) {
    tape.reset();
    const auto losses = m.loss(tape, b, m.plan_noise(b, step_key, share), share);
    for (std::size_t i = 0; i < 2; ++i) result.losses[i] += losses.mean(m.exec(), i);
    tape.backward();
    share.pass(b);
  }
  result.gradient = on_host(m.exec(), m.parameters().gradients());
  return result;
}

template <class Variant, class Exec>
void same_in_parts(const std::string& what) {
  using scalar = typename Exec::scalar;
  Exec exec;
  model<Variant, Exec> m(exec, config<Variant>(), 1);
  shake(m);
  const auto d = documents();
  const auto whole = run(m, {d});
  const std::vector<std::vector<std::vector<document>>> cuts{
      {{d[0]}, {d[1]}, {d[2]}, {d[3]}}, {{d[0], d[1]}, {d[2], d[3]}}, {{d[0]}, {d[1], d[2], d[3]}}};
  for (const auto& cut : cuts) {
    const auto parts = run(m, cut);
    const double error = normalised_error(parts.gradient, whole.gradient);
    BOOST_TEST(error <= limit<scalar>, what << ", " << cut.size() << " parts: error " << error);
    for (std::size_t i = 0; i < 2; ++i)
      BOOST_TEST(std::abs(parts.losses[i] - whole.losses[i]) <= limit<scalar> * whole.losses[i], what);
  }
}

}  // namespace

// Documents packed together give the gradients and losses of each alone: packing is exact, and so are micro-batches.
BOOST_AUTO_TEST_CASE_TEMPLATE(packed_is_separate, Exec, test_support::policies) {
  same_in_parts<paper, Exec>("paper");
  same_in_parts<causal_only, Exec>("causal");
  same_in_parts<with_hole, Exec>("two intervals");
}

// The forward pass of a packed document is the one of the document alone, row for row.
BOOST_AUTO_TEST_CASE_TEMPLATE(hidden_rows_of_a_packed_document, Exec, test_support::policies) {
  using scalar = typename Exec::scalar;
  Exec exec;
  model<paper, Exec> m(exec, config(), 1);
  shake(m);
  const auto hidden = [&](const std::vector<document>& docs) {
    const auto batch = m.pack(docs);
    tape<Exec> tape(exec, recording::off);
    const std::vector<scalar> values(batch.values.begin(), batch.values.end());
    return on_host(exec, m.forward(tape, m.inputs(tape, batch, tape.upload(values), m.clean(batch))).hidden.value());
  };
  std::vector<scalar> joined;
  for (const document& d : documents()) {
    const auto alone = hidden({d});
    joined.insert(joined.end(), alone.begin(), alone.end());
  }
  const double error = normalised_error(hidden(documents()), joined);
  BOOST_TEST(error <= limit<scalar>, "error " << error);
}

// Noise belongs to the step, not to the batch that an image happens to be in.
BOOST_AUTO_TEST_CASE(noise_levels_follow_the_image) {
  reference_exec<double> exec;
  model<paper, reference_exec<double>> m(exec, config(), 1);
  const auto d = documents();
  const auto whole = m.plan_noise(m.pack(d), step_key);
  const auto second = m.plan_noise(m.pack({d[1]}), step_key, {.first_image = 2, .first_value = 56});
  BOOST_REQUIRE_EQUAL(whole.levels.size(), 4u);
  BOOST_TEST((second.levels.front() == whole.levels[2]));
  BOOST_TEST(second.first_value == 56);
  BOOST_TEST((m.plan_noise(m.pack(d), {17, 4, stream::noise}).levels != whole.levels));
  BOOST_TEST((m.plan_noise(m.pack(d), {18, 3, stream::noise}).levels != whole.levels));
}

// t <= 500 where the image stands first in its document (paper, table 8).
BOOST_AUTO_TEST_CASE(noise_is_limited_for_leading_images) {
  reference_exec<double> exec;
  model<noise_limited, reference_exec<double>> m(exec, config<noise_limited>(), 1);
  double latest_leading = 0, latest_other = 0;
  const auto batch = m.pack(documents());
  for (std::uint32_t step = 0; step < 400; ++step) {
    const auto plan = m.plan_noise(batch, {1, step, stream::noise});
    for (const span& s : batch.table.spans()) {
      double& latest = s.leads ? latest_leading : latest_other;
      latest = std::max(latest, plan.levels[static_cast<std::size_t>(s.image)].time);
    }
  }
  BOOST_TEST(latest_leading <= 0.5);
  BOOST_TEST(latest_leading > 0.49);
  BOOST_TEST(latest_other > 0.98);
}

// A dropped caption leaves the unguided branch's document: sampling runs it from t = 1, so training shows it all noise.
BOOST_AUTO_TEST_CASE(noise_is_not_limited_for_the_unguided_branch) {
  reference_exec<double> exec;
  model<noise_limited, reference_exec<double>> m(exec, config<noise_limited>(), 1);
  std::vector<document> dropped{{text{{5}}, image{{2, 2, 2}, drawn(8, 1)}}};
  drop_captions(dropped, 1, {1, 0, stream::dropout});
  const auto batch = m.pack(dropped);
  BOOST_REQUIRE(batch.text_targets() <= 1);
  double latest = 0;
  for (std::uint32_t step = 0; step < 400; ++step)
    latest = std::max(latest, m.plan_noise(batch, {1, step, stream::noise}).levels[0].time);
  BOOST_TEST(latest > 0.98);
}
