// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_loss
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>

#include "model/small_model.hpp"
#include "support/policies.hpp"

using namespace small_model;

namespace {

/// A codec whose prediction is its own input.
struct echo {
  struct options {
    index_t channels = 2;
    index_t patch = 2;
  };
  static patch_grid grid(image_shape s, const options& o) {
    return codec::linear_patch::grid(s, {o.channels, o.patch});
  }

  template <class Exec>
  struct layer : codec::linear_patch::layer<Exec> {
    layer(parameter_set<Exec>& set, const std::string& name, const options& o, index_t width)
        : codec::linear_patch::layer<Exec>(set, name, {o.channels, o.patch}, width) {}

    var<Exec> decode(tape<Exec>& tape, var<Exec>, no_skip, const image_batch<Exec>& x) const {
      auto y = tape.variable(1, x.values.size());
      tape.exec().copy(y.value().flat(), x.values);
      tape.on_backward([](auto&) {});
      return y;
    }
  };
};
/// On clean images with x0 as the target, that prediction is perfect.
struct perfect : paper {
  using codec = echo;
  using target = transfusion::target::data;
};

template <class Scalar>
const auto within = boost::test_tools::tolerance(std::is_same_v<Scalar, float> ? Scalar(2e-5) : Scalar(1e-12));

template <class Model>
auto run(Model& m, const std::vector<document>& docs, const noise_plan* plan = nullptr) {
  const auto batch = m.pack(docs);
  tape<typename Model::exec_type> tape(m.exec(), recording::off);
  const auto losses = m.loss(tape, batch, plan ? *plan : m.plan_noise(batch, step_key));
  return std::array{losses.mean(m.exec(), 0), losses.mean(m.exec(), 1)};
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(a_perfect_prediction_has_no_denoising_loss, Exec, test_support::policies) {
  Exec exec;
  model<perfect, Exec> m(exec, config<perfect>(), 1);
  const auto batch = m.pack(documents());
  const auto clean = m.clean(batch);
  BOOST_TEST(run(m, documents(), &clean)[1] == 0);
  BOOST_TEST(run(m, documents())[1] > 0.01);  // with noise the echo is wrong
}

// A new model predicts zero noise: its loss is the mean square of the noise of each image, then the mean over images.
BOOST_AUTO_TEST_CASE_TEMPLATE(the_first_denoising_loss, Exec, test_support::policies) {
  using scalar = typename Exec::scalar;
  Exec exec;
  model<paper, Exec> m(exec, config(), 1);
  const auto batch = m.pack(documents());
  const auto plan = m.plan_noise(batch, step_key);
  std::vector<scalar> noise(batch.values.size());
  exec.normal({noise.data(), static_cast<index_t>(noise.size())}, plan.key, 1.0);
  double expected = 0;
  for (const image_place& p : batch.images) {
    double squares = 0;
    for (index_t e = 0; e < p.shape.size(); ++e)
      squares += std::pow(static_cast<double>(noise[static_cast<std::size_t>(p.first_value + e)]), 2);
    expected += squares / static_cast<double>(p.shape.size()) / 4;
  }
  BOOST_TEST(static_cast<scalar>(run(m, documents())[1]) == static_cast<scalar>(expected), within<scalar>);
}

// Images count the same whatever their size: one mean an image, then one over images.
BOOST_AUTO_TEST_CASE_TEMPLATE(small_images_count_like_large_ones, Exec, test_support::policies) {
  using scalar = typename Exec::scalar;
  Exec exec;
  model<paper, Exec> m(exec, config(), 1);
  const document small{drawn_image(2, 2, 1)}, large{drawn_image(8, 10, 2)};
  const auto small_batch = m.pack({small});
  noise_plan of_large = m.plan_noise(m.pack({large}), step_key);
  of_large.first_value = small_batch.images[0].shape.size();  // the noise that it gets behind the small one
  const double separate = (run(m, {small})[1] + run(m, {large}, &of_large)[1]) / 2;
  BOOST_TEST(static_cast<scalar>(run(m, {small, large})[1]) == static_cast<scalar>(separate), within<scalar>);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_first_text_loss_is_log_of_the_vocabulary, Exec, test_support::policies) {
  Exec exec;
  auto c = config();
  c.vocabulary = 1000;
  model<paper, Exec> m(exec, c, 1);
  BOOST_TEST(std::abs(run(m, documents())[0] - std::log(1000.0)) < 0.05);
}

// λ acts on the gradient of its term and on nothing else.
BOOST_AUTO_TEST_CASE_TEMPLATE(weights_scale_gradients, Exec, test_support::policies) {
  Exec exec;
  const auto gradient_with = [&](double text_weight, double image_weight) {
    auto c = config();
    c.loss_weights = {text_weight, image_weight};
    model<paper, Exec> m(exec, c, 1);
    shake(m);
    const auto batch = m.pack(documents());
    return gradients(m, batch, m.plan_noise(batch, step_key));
  };
  const auto both = gradient_with(1, 5), text_alone = gradient_with(1, 0), image_alone = gradient_with(0, 1);
  std::vector<double> expected;
  for (std::size_t i = 0; i < both.size(); ++i)
    expected.push_back(static_cast<double>(text_alone[i]) + 5 * static_cast<double>(image_alone[i]));
  BOOST_TEST(normalised_error(both, expected) < (std::is_same_v<typename Exec::scalar, float> ? 1e-5 : 1e-13));
  BOOST_TEST(model_config<paper>{}.loss_weights[0] == 1);
  BOOST_TEST(model_config<paper>{}.loss_weights[1] == 5);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(batches_without_images_or_without_text, Exec, test_support::policies) {
  Exec exec;
  auto c = config();
  c.markers.bos = ignored;
  model<paper, Exec> m(exec, c, 1);
  shake(m);
  const auto text_alone = run(m, {{text{{5, 6, 7}}}});
  BOOST_TEST(text_alone[0] > 0);
  BOOST_TEST(text_alone[1] == 0);
  document image_alone{drawn_image(4, 4, 1)};
  image_alone.open_ended = true;
  BOOST_TEST(m.pack({image_alone}).text_targets() == 0);
  const auto losses = run(m, {image_alone});
  BOOST_TEST(losses[0] == 0);
  BOOST_TEST(losses[1] > 0);
  for (const auto& docs : {std::vector<document>{{text{{5, 6, 7}}}}, std::vector<document>{image_alone}}) {
    const auto batch = m.pack(docs);
    double size = 0;
    for (auto g : gradients(m, batch, m.plan_noise(batch, step_key))) {
      BOOST_REQUIRE(std::isfinite(g));
      size += std::abs(static_cast<double>(g));
    }
    BOOST_TEST(size > 0);
  }
}

// x_t = a·x0 + b·ε (paper, eq. 2): an echo of x_t is wrong about x0 by exactly that.
BOOST_AUTO_TEST_CASE_TEMPLATE(how_images_are_noised, Exec, test_support::policies) {
  using scalar = typename Exec::scalar;
  Exec exec;
  model<perfect, Exec> m(exec, config<perfect>(), 1);
  const auto batch = m.pack(documents());
  const auto plan = m.plan_noise(batch, step_key);
  std::vector<scalar> noise(batch.values.size());
  exec.normal({noise.data(), static_cast<index_t>(noise.size())}, plan.key, 1.0);
  double expected = 0;
  for (std::size_t i = 0; i < batch.images.size(); ++i) {
    const image_place& p = batch.images[i];
    const noise_level level = plan.levels[i];
    BOOST_TEST(level.signal == schedule::cosine::signal(level.time));
    double squares = 0;
    for (index_t e = p.first_value; e < p.first_value + p.shape.size(); ++e) {
      const auto at = static_cast<std::size_t>(e);
      const double clean = static_cast<double>(batch.values[at]);
      squares += std::pow(level.signal * clean + level.noise * static_cast<double>(noise[at]) - clean, 2);
    }
    expected += squares / static_cast<double>(p.shape.size()) / 4;
  }
  BOOST_TEST(static_cast<scalar>(run(m, documents())[1]) == static_cast<scalar>(expected), within<scalar>);
}
