// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_policies_agree
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <tuple>

#include "model/small_model.hpp"
#include "transfusion/exec/reference.hpp"

using namespace small_model;

namespace {

using oracle = reference_exec<double>;

// The largest error of a parameter's gradient, as a share of that gradient's largest element; of a loss, of the loss.
template <class Exec>
constexpr double gradient_limit = std::is_same_v<typename Exec::scalar, float> ? 5e-5 : 1e-13;
template <class Exec>
constexpr double loss_limit = std::is_same_v<typename Exec::scalar, float> ? 2e-6 : 1e-14;

using judged = std::tuple<cpu_exec<float>, cpu_exec<double>>;

/// The same weights, documents and noise on a policy and on the reference.
template <class Variant, class Exec>
void compare(const model_config<Variant>& c, const std::string& what) {
  Exec exec;
  oracle reference;
  model<Variant, Exec> found(exec, c, 1);
  model<Variant, oracle> expected(reference, c, 1);
  shake(found);
  shake(expected);
  const auto batch = expected.pack(documents());
  const auto plan = expected.plan_noise(batch, step_key);
  BOOST_TEST((found.plan_noise(batch, step_key).levels == plan.levels));
  const auto gradient = gradients(found, batch, plan);
  const auto reference_gradient = gradients(expected, batch, plan);

  std::vector<parameter<oracle>> named;
  expected.parameters().each([&](parameter<oracle> p) { named.push_back(p); });
  std::size_t i = 0;
  double worst = 0;
  found.parameters().each([&](parameter<Exec> p) {
    const parameter<oracle>& q = named[i++];
    BOOST_REQUIRE_EQUAL(p.name(), q.name());
    const auto part = [](const auto& all, index_t offset, index_t size) {
      return std::vector(all.begin() + offset, all.begin() + offset + size);
    };
    const double error =
        normalised_error(part(gradient, p.offset(), p.size()), part(reference_gradient, q.offset(), q.size()));
    worst = std::max(worst, error);
    BOOST_CHECK_MESSAGE(error <= gradient_limit<Exec>, what << ", gradient of " << p.name() << ": error " << error);
  });
  BOOST_TEST_MESSAGE(what << ": worst gradient error " << worst);

  tape<Exec> t(exec, recording::off);
  tape<oracle> reference_tape(reference, recording::off);
  const double loss = objective(found, t, batch, plan),
               reference_loss = objective(expected, reference_tape, batch, plan);
  BOOST_TEST(std::abs(loss - reference_loss) <= loss_limit<Exec> * std::abs(reference_loss),
             what << ": loss " << loss << ", expected " << reference_loss);
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(gradients_and_losses, Exec, judged) {
  compare<paper, Exec>(config(), "paper");
  compare<causal_only, Exec>(config<causal_only>(), "causal");
  compare<v_prediction, Exec>(config<v_prediction>(), "v");
  compare<rectified, Exec>(config<rectified>(), "rectified flow");
  compare<with_hole, Exec>(config<with_hole>(), "two intervals");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_wider_model, Exec, judged) {
  auto c = config();
  c.layers = 3;
  c.width = 40;
  c.heads = 5;
  c.kv_heads = 5;
  c.feed_forward = 0;
  c.vocabulary = 300;
  compare<paper, Exec>(c, "width 40");
}
