// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE train_adamw
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "support/policies.hpp"
#include "transfusion/model.hpp"
#include "transfusion/train/adamw.hpp"

namespace tf = transfusion;
using test_support::policies;

namespace {

/// One number at a time, as algorithm 2 of Loshchilov & Hutter 2019 reads, with Llama's decay: λ times the rate.
struct scalar_adamw {
  double w, m = 0, v = 0, average;
  explicit scalar_adamw(double start) : w(start), average(start) {}

  void step(const tf::adamw_options& o, int t, double rate, double gradient, bool decays, double norm) {
    const double g = o.max_norm > 0 && norm > o.max_norm ? gradient * o.max_norm / norm : gradient;
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    const double m_hat = m / (1 - std::pow(o.beta1, t)), v_hat = v / (1 - std::pow(o.beta2, t));
    const double decay = decays ? o.weight_decay * w : 0;
    w -= rate * (m_hat / (std::sqrt(v_hat) + o.epsilon) + decay);
    const double keep = std::min(o.ema_decay, (1.0 + t) / (10.0 + t));
    average = keep * average + (1 - keep) * w;
  }
};

/// Two matrices, a norm and a bias, of sizes that are no multiple of anything.
template <class Exec>
struct fixture {
  using scalar = typename Exec::scalar;

  Exec exec;
  tf::parameter_set<Exec> set;
  std::vector<tf::parameter<Exec>> all;
  std::vector<bool> decays = {true, false, true, false};

  fixture() {
    const auto normal = tf::initial_value::normal(0.5);
    all.push_back(set.declare("matrix", {7, 5}, normal));
    all.push_back(set.declare("norm", {13}, tf::initial_value::ones(), tf::decay::off));
    all.push_back(set.declare("table", {3, 101}, normal));
    all.push_back(set.declare("bias", {3}, tf::initial_value::zeros(), tf::decay::off));
    set.allocate(exec, 1);
  }

  std::vector<double> host(tf::view<const scalar, 1> device) {
    std::vector<scalar> copy(static_cast<std::size_t>(device.size()));
    exec.download(copy.data(), device.data, copy.size() * sizeof(scalar));
    return {copy.begin(), copy.end()};
  }

  /// Writes gradients of this step; returns their global norm.
  double set_gradients(int t, double size) {
    double squares = 0;
    for (std::size_t p = 0; p < all.size(); ++p) {
      std::vector<scalar> g;
      for (tf::index_t i = 0; i < all[p].size(); ++i) {
        const double x = size * std::sin(1.7 * t + 0.3 * static_cast<double>(i) + static_cast<double>(p));
        g.push_back(static_cast<scalar>(x));
        squares += static_cast<double>(g.back()) * static_cast<double>(g.back());
      }
      exec.upload(all[p].flat_gradient().data, g.data(), g.size() * sizeof(scalar));
    }
    return std::sqrt(squares);
  }
};

/// Several steps with gradients of this size against one number after another.
template <class Exec>
void check_steps(tf::adamw_options options, double size) {
  const double tolerance = sizeof(typename Exec::scalar) == 8 ? 1e-12 : 2e-6;
  fixture<Exec> f;
  tf::adamw<Exec> optimiser(f.exec, f.set, options);
  std::vector<std::vector<scalar_adamw>> expected;
  for (const auto& p : f.all) {
    expected.emplace_back();
    for (double w : f.host(p.flat_value())) expected.back().emplace_back(w);
  }
  for (int t = 1; t <= 6; ++t) {
    const double rate = 0.01 * t;
    const double norm = f.set_gradients(t, size);
    std::vector<std::vector<double>> gradients;
    for (const auto& p : f.all) gradients.push_back(f.host(p.flat_gradient()));
    BOOST_TEST(std::abs(optimiser.gradient_norm() - norm) < 10 * tolerance * norm);
    optimiser.step(t - 1, rate);
    for (std::size_t p = 0; p < f.all.size(); ++p) {
      const auto part = [&](auto all) {
        return f.host(all.slice(f.all[p].offset(), f.all[p].offset() + f.all[p].size()));
      };
      const auto w = f.host(f.all[p].flat_value()), m = part(optimiser.first_moment()),
                 v = part(optimiser.second_moment());
      const auto average = optimiser.average() ? part(optimiser.average()) : std::vector<double>{};
      for (std::size_t i = 0; i < w.size(); ++i) {
        scalar_adamw& e = expected[p][i];
        e.step(options, t, rate, gradients[p][i], f.decays[p], norm);
        const bool same = std::abs(w[i] - e.w) < tolerance && std::abs(m[i] - e.m) < tolerance * (1 + size) &&
                          std::abs(v[i] - e.v) < tolerance * (1 + size * size) &&
                          (average.empty() || std::abs(average[i] - e.average) < tolerance);
        if (!same)
          BOOST_ERROR("step " << t << ", " << f.all[p].name() << "[" << i << "]: found " << w[i] << ", expected "
                              << e.w);
      }
    }
    for (double g : f.host(f.set.gradients())) BOOST_REQUIRE(g == 0);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(steps_are_those_of_the_formula, Exec, policies) { check_steps<Exec>({}, 0.01); }
BOOST_AUTO_TEST_CASE_TEMPLATE(large_gradients_are_clipped_to_the_global_norm, Exec, policies) {
  check_steps<Exec>({}, 3);
  check_steps<Exec>({.max_norm = 0.25}, 0.1);
}
BOOST_AUTO_TEST_CASE_TEMPLATE(no_clip_at_norm_zero, Exec, policies) { check_steps<Exec>({.max_norm = 0}, 3); }
BOOST_AUTO_TEST_CASE_TEMPLATE(the_average_follows_the_weights, Exec, policies) {
  check_steps<Exec>({.ema_decay = 0.99}, 0.1);  // the warm-up decides
  check_steps<Exec>({.ema_decay = 0.2}, 0.1);   // the decay decides after a step
}
BOOST_AUTO_TEST_CASE_TEMPLATE(all_constants_are_used, Exec, policies) {
  check_steps<Exec>({.beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-3, .weight_decay = 0.5}, 0.05);
}

BOOST_AUTO_TEST_CASE(a_gradient_of_zero_decays_matrices_and_leaves_norms_and_biases) {
  fixture<tf::reference_exec<double>> f;
  tf::adamw<tf::reference_exec<double>> optimiser(f.exec, f.set, {});
  for (std::size_t p = 0; p < f.all.size(); ++p) {
    const auto before = f.host(f.all[p].flat_value());
    BOOST_TEST(optimiser.gradient_norm() == 0);
    optimiser.step(0, 0.5);
    const auto after = f.host(f.all[p].flat_value());
    for (std::size_t i = 0; i < before.size(); ++i)
      BOOST_TEST(std::abs(after[i] - (f.decays[p] ? 0.95 * before[i] : before[i])) < 1e-15);
  }
}

BOOST_AUTO_TEST_CASE(a_model_decays_all_but_its_norms_and_biases) {
  tf::reference_exec<double> exec;
  tf::model<tf::paper, tf::reference_exec<double>> model(exec, {.layers = 2, .width = 8, .heads = 2, .vocabulary = 6},
                                                         0);
  tf::index_t decayed = 0, kept = 0;
  model.parameters().each([&](auto p) {
    const std::string& name = p.name();
    const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
    const bool exempt = has("norm") || (name.size() > 5 && name.substr(name.size() - 5) == ".bias");
    BOOST_TEST((p.shape().size() == 1) == exempt, name);
    BOOST_TEST((p.offset() < model.parameters().decayed()) == !exempt, name);
    (exempt ? kept : decayed) += p.size();
  });
  BOOST_TEST(decayed > 0);
  BOOST_TEST(kept > 0);
  BOOST_TEST(decayed + kept == model.parameters().count());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(averaged_weights_come_and_go, Exec, policies) {
  fixture<Exec> f;
  tf::adamw<Exec> optimiser(f.exec, f.set, {.ema_decay = 0.9});
  f.set_gradients(1, 1);
  optimiser.gradient_norm();
  optimiser.step(0, 0.1);
  const auto trained = f.host(f.set.values()), average = f.host(optimiser.average());
  BOOST_REQUIRE((trained != average));
  {
    const tf::averaged_weights<Exec> averaged(f.exec, f.set, optimiser);
    BOOST_TEST((f.host(f.set.values()) == average));
  }
  BOOST_TEST((f.host(f.set.values()) == trained));
  BOOST_TEST((f.host(optimiser.average()) == average));
}

BOOST_AUTO_TEST_CASE(averaged_weights_are_the_trained_ones_without_an_average) {
  fixture<tf::reference_exec<double>> f;
  const tf::adamw<tf::reference_exec<double>> optimiser(f.exec, f.set, {});
  BOOST_TEST(!optimiser.average());
  const auto trained = f.host(f.set.values());
  const tf::averaged_weights<tf::reference_exec<double>> averaged(f.exec, f.set, optimiser);
  BOOST_TEST((f.host(f.set.values()) == trained));
}
