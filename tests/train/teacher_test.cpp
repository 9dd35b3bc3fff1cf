// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE train_teacher
#include <boost/test/unit_test.hpp>

#include "model/small_model.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/train/trainer.hpp"

using namespace small_model;

namespace {

using oracle = reference_exec<double>;

/// (prediction − the teacher's)², a user's term.
struct as_the_teacher {
  static constexpr std::string_view name = "teacher";
  static constexpr double default_weight = 2;

  template <class Exec>
  static transfusion::loss::term_values<Exec> evaluate(transfusion::loss::context<Exec>& c, double weight) {
    if (!c.prediction || !c.teacher) return {};
    auto weights = c.tape.template list<typename Exec::real>(c.images.size());
    for (double share : c.image_shares) weights.push_back(weight * share);
    return {squared_error(c.tape, c.prediction, c.teacher, c.images, c.tape.upload(weights)), c.image_shares};
  }
};
struct taught : paper {
  using loss =
      transfusion::loss::weighted_sum<transfusion::loss::next_token, transfusion::loss::denoising, as_the_teacher>;
};

}  // namespace

// What the model itself predicts is no loss; another prediction is as far away as squares say.
BOOST_AUTO_TEST_CASE(the_distance_to_a_teacher) {
  oracle exec;
  model<taught, oracle> m(exec, config<taught>(), 1), other(exec, config<taught>(), 2);
  shake(m);
  const auto batch = m.pack(documents());
  const auto plan = m.plan_noise(batch, step_key);
  tape<oracle> t(exec, recording::off), beside(exec, recording::off);
  const auto itself = m.predict(beside, batch, plan), another = other.predict(beside, batch, plan);
  BOOST_TEST(m.loss(t, batch, plan, {}, itself).mean(exec, 2) == 0);
  BOOST_TEST(m.loss(t, batch, plan).mean(exec, 2) == 0);

  const auto a = on_host(exec, itself), b = on_host(exec, another);
  double expected = 0;
  for (const image_place& place : batch.images) {
    double sum = 0;
    for (index_t i = 0; i < place.shape.size(); ++i) {
      const auto at = static_cast<std::size_t>(place.first_value + i);
      sum += (a[at] - b[at]) * (a[at] - b[at]);
    }
    expected += sum / static_cast<double>(place.shape.size() * batch.image_count());
  }
  BOOST_TEST(expected > 0.1);
  BOOST_TEST(m.loss(t, batch, plan, {}, another).mean(exec, 2) == expected, boost::test_tools::tolerance(1e-12));
}

// Two roots on one prediction: both gradients arrive.
BOOST_AUTO_TEST_CASE(gradients_of_both_image_terms) {
  oracle exec;
  model<taught, oracle> m(exec, config<taught>(), 1), other(exec, config<taught>(), 2);
  shake(m);
  const auto batch = m.pack(documents());
  const auto plan = m.plan_noise(batch, step_key);
  tape<oracle> beside(exec, recording::off);
  const auto teacher = other.predict(beside, batch, plan);
  const auto report =
      transfusion::testing::directional_check(m,
                                              [&](auto& tape) {
                                                const auto losses = m.loss(tape, batch, plan, {}, teacher);
                                                double sum = 0;
                                                for (std::size_t i = 0; i < 3; ++i)
                                                  sum += m.config().loss_weights[i] * losses.mean(exec, i);
                                                return sum;
                                              },
                                              {5, 0, stream::test});
  BOOST_CHECK_MESSAGE(report.within(1e-8), report.text());
}

// The trainer asks the teacher once for each small batch, with the noise that the model sees.
BOOST_AUTO_TEST_CASE(the_trainer_asks_its_teacher) {
  oracle exec;
  model<taught, oracle> m(exec, config<taught>(), 1);
  shake(m);
  train_options options{.steps = 3, .warmup = 0, .micro_batches = 2, .caption_dropout = 0, .quiet = true};
  options.optimiser.ema_decay = 0.9;
  trainer<model<taught, oracle>> t(m, options);
  BOOST_TEST(t.step(documents()).losses[2] == 0);
  tape<oracle> beside(exec, recording::off);
  int asked = 0;
  t.set_teacher([&](const packed_batch& batch, const noise_plan& plan) {
    ++asked;
    beside.reset();
    return m.predict(beside, batch, plan);
  });
  BOOST_TEST(t.step(documents()).losses[2] == 0);  // its own prediction
  t.set_teacher([&](const packed_batch& batch, const noise_plan& plan) {
    ++asked;
    const averaged_weights averaged(exec, m.parameters(), t.optimiser());
    beside.reset();
    return m.predict(beside, batch, plan);
  });
  BOOST_TEST(t.step(documents()).losses[2] > 0);
  BOOST_TEST(asked == 4);
}
