// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autograd_image_and_loss_gradients
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <utility>
#include <vector>

#include "autograd/contrastive_cases.hpp"
#include "autograd/gradient_cases.hpp"
#include "transfusion/autograd/op/gaussian_sample.hpp"
#include "transfusion/autograd/op/head_cross_entropy.hpp"
#include "transfusion/autograd/op/patchify.hpp"
#include "transfusion/autograd/op/squared_error.hpp"
#include "transfusion/autograd/op/timestep_embedding.hpp"

using namespace gradient_cases;
using namespace contrastive_cases;

namespace {

/// Two grids of images in patches of 2 × 2: 2 and 6 patches of `channels` channels.
std::vector<image_place> two_images(index_t channels) {
  return {{0, 0, {channels, 2, 4}}, {channels * 8, 2, {channels, 6, 4}}};
}
constexpr index_t all_patches = 8;

struct loss_options {
  double z_weight, smoothing;
};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(unpatchify_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const index_t channels : {1, 3}) {
    gradient_check check(exec, 16);
    const auto patches = check.input("patches", all_patches, channels * 4);
    const auto places = two_images(channels);
    expect(check.run([&](auto& t, auto& v) {
      return weighted_output(t, unpatchify(t, v[patches], t.upload(places), {2, 2}, all_patches * channels * 4), key);
    }),
           shape_text(channels));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(patchify_undoes_unpatchify_and_has_no_gradient, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const index_t channels : {1, 3}) {
    tape<poisoned<Exec>> t(exec);
    const auto places = t.upload(two_images(channels));
    auto patches = t.variable(all_patches, channels * 4);
    exec.normal(patches.value().flat(), key, 1.0);
    const auto values = unpatchify(t, patches, places, {2, 2}, patches.value().size());
    const auto again = patchify(t, values.value().flat(), places, all_patches, {2, 2}, channels);
    BOOST_TEST(on_host(exec, again.value()) == on_host(exec, patches.value()), boost::test_tools::per_element());
    BOOST_TEST(!t.sink(again));
  }
}

// A signal, an image and a volume: windows of one axis, two and three.
BOOST_AUTO_TEST_CASE_TEMPLATE(unpatchify_gradients_of_one_to_three_axes, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  struct {
    image_shape image;
    patch_shape patch;
  } constexpr cases[] = {
      {{2, 1, 6}, {1, 3}}, {{2, 6, 2}, {3, 1}}, {{2, 4, 3, 6}, {2, 3, 2}}, {{1, 1, 1, 4}, {1, 1, 4}}};
  for (const auto& c : cases) {
    const index_t width = c.image.channels * c.patch.size(), count = c.image.size() / width;
    gradient_check check(exec, 24);
    const auto patches = check.input("patches", 2 * count, width);
    const std::vector<image_place> places{{0, 0, c.image}, {c.image.size(), count, c.image}};
    expect(check.run([&](auto& t, auto& v) {
      return weighted_output(t, unpatchify(t, v[patches], t.upload(places), c.patch, 2 * c.image.size()), key);
    }),
           shape_text(c.patch.height, c.patch.width, c.patch.depth));
    tape<poisoned<Exec>> t(exec);
    auto rows = t.variable(2 * count, width);
    exec.normal(rows.value().flat(), key, 1.0);
    const auto on_device = t.upload(places);
    const auto values = unpatchify(t, rows, on_device, c.patch, rows.value().size());
    const auto again = patchify(t, values.value().flat(), on_device, 2 * count, c.patch, c.image.channels);
    BOOST_TEST(on_host(exec, again.value()) == on_host(exec, rows.value()), boost::test_tools::per_element());
  }
}

// [C, Z, H, W] = [2, 2, 1, 4] in windows 2 deep and 2 wide: plane after plane inside a channel.
BOOST_AUTO_TEST_CASE_TEMPLATE(patchify_order_of_a_volume, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  std::vector<double> numbers;
  for (int i = 0; i < 16; ++i) numbers.push_back(i);
  const std::vector<image_place> place{{0, 0, {2, 1, 4, 2}}};
  const auto patches = on_host(exec, patchify(t, t.upload(numbers), t.upload(place), 2, {1, 2, 2}, 2).value());
  const std::vector<double> expected{0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15};
  BOOST_TEST(patches == expected, boost::test_tools::per_element());
  // One plane a window: the planes' patches follow one another.
  const auto flat = on_host(exec, patchify(t, t.upload(numbers), t.upload(place), 4, {1, 2, 1}, 2).value());
  const std::vector<double> by_plane{0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
  BOOST_TEST(flat == by_plane, boost::test_tools::per_element());
}

// Patches in raster order; inside a patch channel by channel, each row by row.
BOOST_AUTO_TEST_CASE_TEMPLATE(patchify_order, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  std::vector<double> numbers;
  for (int i = 0; i < 2 * 2 * 4; ++i) numbers.push_back(i);
  const std::vector<image_place> place{{0, 0, {2, 2, 4}}};
  const auto patches = on_host(exec, patchify(t, t.upload(numbers), t.upload(place), 2, {2, 2}, 2).value());
  const std::vector<double> expected{0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15};
  BOOST_TEST(patches == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(head_cross_entropy_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, vocabulary] : shapes)
    for (const bool some_ignored : {false, true})
      for (const loss_options o : {loss_options{0, 0}, {0.1, 0}, {0, 0.2}, {0.1, 1}}) {
        gradient_check check(exec, 17);
        const auto x = check.input("x", rows, width);
        const auto w = check.parameters().declare("w", {vocabulary, width}, drawn);
        const auto targets = random_tokens(rows, vocabulary, 18, some_ignored);
        std::vector<double> weights;
        for (index_t n = 0; n < rows; ++n) weights.push_back(0.3 + static_cast<double>(n));
        expect(check.run([&](auto& t, auto& v) {
          const auto losses =
              head_cross_entropy(t, v[x], w, t.upload(targets), t.upload(weights), o.z_weight, o.smoothing);
          const auto each = on_host(exec, losses.cross_entropy), log_z = on_host(exec, losses.log_z);
          double value = 0;
          for (std::size_t n = 0; n < each.size(); ++n)
            value += weights[n] * (each[n] + o.z_weight * log_z[n] * log_z[n]);
          return value;
        }),
               shape_text(rows, width, vocabulary, some_ignored, o.z_weight, o.smoothing));
      }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(head_cross_entropy_value, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  parameter_set<Exec> set;
  const auto w = set.declare("w", {3, 2}, initial_value::normal(1));
  set.allocate(exec, 5);
  auto x = t.variable(2, 2);
  exec.normal(x.value().flat(), key, 1.0);
  const auto head = on_host(exec, w.value()), rows = on_host(exec, x.value());
  double z = 0, logit[3];
  for (std::size_t o = 0; o < 3; ++o) z += std::exp(logit[o] = rows[0] * head[2 * o] + rows[1] * head[2 * o + 1]);
  const auto losses =
      head_cross_entropy(t, x, w, t.upload(std::vector<token_t>{2, ignored}), t.upload(std::vector<double>{4, 5}));
  const auto each = on_host(exec, losses.cross_entropy), log_z = on_host(exec, losses.log_z);
  BOOST_TEST(each[0] == std::log(z) - logit[2], boost::test_tools::tolerance(1e-13));
  BOOST_TEST(log_z[0] == std::log(z), boost::test_tools::tolerance(1e-13));
  BOOST_TEST(each[1] == 0);
  BOOST_TEST(log_z[1] == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(head_cross_entropy_refuses_other_shares, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  parameter_set<Exec> set;
  const auto w = set.declare("w", {3, 2}, drawn);
  set.allocate(exec, 5);
  auto x = t.variable(1, 2);
  exec.fill(x.value().flat(), 1);
  for (const double smoothing : {-0.1, 1.1, std::nan("")})
    BOOST_CHECK_THROW(
        head_cross_entropy(t, x, w, t.upload(std::vector<token_t>{2}), t.upload(std::vector<double>{1}), 0, smoothing),
        config_error);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(squared_error_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const index_t channels : {1, 3}) {
    gradient_check check(exec, 19);
    const auto places = two_images(channels);
    const index_t count = channels * all_patches * 4;
    const auto prediction = check.input("prediction", 1, count);
    std::vector<double> target(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = 0.1 * static_cast<double>(i % 7);
    const std::vector<double> weights{0.7, 2.5};
    expect(check.run([&](auto& t, auto& v) {
      const auto each =
          on_host(exec, squared_error(t, v[prediction], t.upload(target), t.upload(places), t.upload(weights)));
      return weights[0] * each[0] + weights[1] * each[1];
    }),
           shape_text(channels));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_perfect_prediction_has_no_squared_error, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  tape<poisoned<Exec>> t(exec);
  const auto places = two_images(2);
  auto prediction = t.variable(1, 2 * all_patches * 4);
  exec.normal(prediction.value().flat(), key, 1.0);
  const auto losses =
      squared_error(t, prediction, prediction.value().flat(), t.upload(places), t.upload(std::vector<double>{1, 1}));
  for (double l : on_host(exec, losses)) BOOST_TEST(l == 0);
  for (double d : on_host(exec, t.gradient(prediction))) BOOST_TEST(d == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(unit_rows_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes) {
    gradient_check check(exec, 22);
    const auto x = check.input("x", rows, width + 1);
    expect(check.run([&](auto& t, auto& v) { return weighted_output(t, unit_rows(t, v[x], 3), key); }),
           shape_text(rows, width + 1));
    tape<poisoned<Exec>> t(exec);
    const auto drawn_rows = t.variable(rows, width);
    exec.normal(drawn_rows.value().flat(), key, 1.0);
    const auto found = on_host(exec, unit_rows(t, drawn_rows, 3).value());
    for (auto row = found.begin(); row != found.end(); row += width) {
      double squares = 0;
      for (auto v = row; v != row + width; ++v) squares += *v * *v;
      BOOST_TEST(squares == 9, boost::test_tools::tolerance(1e-9));
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(contrastive_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto& [pairs, width] : {std::pair<index_t, index_t>{1, 3}, {2, 2}, {5, 3}, {9, 4}})
    for (const bool learnt : {false, true}) {
      gradient_check check(exec, 23);
      const auto images = check.input("images", pairs, width), texts = check.input("texts", pairs, width);
      parameter<poisoned<Exec>> factor;
      if (learnt) factor = check.parameters().declare("factor", {1, 1}, initial_value::normal(1));
      expect(
          check.run([&](auto& t, auto& v) { return total(exec, contrastive_loss(t, v[images], v[texts], 3, factor)); }),
          shape_text(pairs, width, learnt));
    }
}

// One variable as both sides: what both directions leave adds up.
BOOST_AUTO_TEST_CASE_TEMPLATE(contrastive_gradients_of_rows_with_themselves, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  gradient_check check(exec, 24);
  const auto x = check.input("x", 4, 3);
  expect(check.run([&](auto& t, auto& v) { return total(exec, contrastive_loss(t, v[x], v[x], 2)); }), "4 3");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(contrastive_value, Exec, test_support::policies) {
  constexpr std::size_t pairs = 3, width = 2;
  constexpr double scale = 4;
  const auto images = normal_numbers(pairs * width, 25), texts = normal_numbers(pairs * width, 26);
  const auto found = contrastive_pass<Exec>(images, texts, pairs, scale);
  double logits[pairs][pairs];
  for (std::size_t i = 0; i < pairs; ++i)
    for (std::size_t j = 0; j < pairs; ++j) {
      const double *a = &images[2 * i], *b = &texts[2 * j];
      logits[i][j] = scale * (a[0] * b[0] + a[1] * b[1]) / (std::hypot(a[0], a[1]) * std::hypot(b[0], b[1]));
    }
  for (std::size_t i = 0; i < pairs; ++i) {
    double of_image = 0, of_text = 0;
    for (std::size_t j = 0; j < pairs; ++j) of_image += std::exp(logits[i][j]), of_text += std::exp(logits[j][i]);
    BOOST_TEST(std::abs(found[0][i] - (std::log(of_image) - logits[i][i])) < 1e-5);
    BOOST_TEST(std::abs(found[1][i] - (std::log(of_text) - logits[i][i])) < 1e-5);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(contrastive_loss_is_the_references, Exec, test_support::policies) {
  for (const auto& [pairs, width] : {std::pair<index_t, index_t>{1, 5}, {17, 33}, {64, 16}}) {
    const auto images = normal_numbers(pairs * width, 27), texts = normal_numbers(pairs * width, 28);
    const auto expected = contrastive_pass<reference_exec<double>>(images, texts, pairs, 10);
    const auto found = contrastive_pass<Exec>(images, texts, pairs, 10);
    for (std::size_t part = 0; part < expected.size(); ++part)
      for (std::size_t i = 0; i < expected[part].size(); ++i)
        BOOST_TEST(std::abs(found[part][i] - expected[part][i]) < 1e-5);
  }
}

// Equal pairs at right angles to all others: log(1 + (B - 1) exp(-scale)), which goes to 0.
BOOST_AUTO_TEST_CASE_TEMPLATE(contrastive_loss_of_pairs_at_right_angles, Exec, test_support::policies) {
  constexpr index_t pairs = 4;
  std::vector<double> axes(pairs * pairs);
  for (std::size_t i = 0; i < pairs; ++i) axes[i * pairs + i] = 0.5 + static_cast<double>(i);
  for (const double scale : {0.1, 1.0, 10.0, 100.0}) {
    const auto found = contrastive_pass<Exec>(axes, axes, pairs, scale);
    for (const std::size_t direction : {0u, 1u})
      for (const double loss : found[direction])
        BOOST_TEST(std::abs(loss - std::log1p((pairs - 1) * std::exp(-scale))) < 1e-5);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(contrastive_loss_heeds_no_order_and_no_length, Exec, test_support::policies) {
  constexpr index_t pairs = 5, width = 3;
  const auto images = normal_numbers(pairs * width, 29), texts = normal_numbers(pairs * width, 30);
  const std::vector<std::size_t> order{3, 0, 4, 1, 2};
  auto longer = reordered(images, width, order);
  for (double& v : longer) v *= 7;
  const auto plain = contrastive_pass<Exec>(images, texts, pairs, 5);
  const auto other = contrastive_pass<Exec>(longer, reordered(texts, width, order), pairs, 5);
  for (const std::size_t direction : {0u, 1u})
    for (std::size_t n = 0; n < order.size(); ++n)
      BOOST_TEST(std::abs(other[direction][n] - plain[direction][order[n]]) < 1e-5);
  const auto gradients = reordered(plain[3], width, order);
  for (std::size_t i = 0; i < gradients.size(); ++i) BOOST_TEST(std::abs(other[3][i] - gradients[i]) < 1e-5);
}

BOOST_AUTO_TEST_CASE(contrastive_loss_refuses_what_is_no_batch_of_pairs) {
  reference_exec<double> exec;
  tape<reference_exec<double>> t(exec);
  parameter_set<reference_exec<double>> set;
  const auto factor = set.declare("factor", {1, 2}, drawn);
  set.allocate(exec, 1);
  const auto x = variable_of(t, {1, 2, 3, 4, 5, 6}, 2);
  BOOST_CHECK_THROW(contrastive_loss(t, x, variable_of(t, {1, 2, 3}, 1), 1), shape_error);
  BOOST_CHECK_THROW(contrastive_loss(t, x, variable_of(t, {1, 2}, 2), 1), shape_error);
  BOOST_CHECK_THROW(contrastive_loss(t, x, x, 1, factor), shape_error);
  BOOST_CHECK_THROW(contrastive_loss(t, t.variable(0, 3), t.variable(0, 3), 1), config_error);
  for (const double scale : {0.0, -1.0, std::nan("")})
    BOOST_CHECK_THROW(contrastive_loss(t, x, x, scale), config_error);
}

// Wide predictions, so that none lies within a step of a kink.
BOOST_AUTO_TEST_CASE_TEMPLATE(pointwise_error_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const error_kind kind : {error_kind::squared, error_kind::absolute, error_kind::hinge, error_kind::linear}) {
    gradient_check check(exec, 20);
    const auto places = two_images(3);
    const index_t count = 3 * all_patches * 4;
    const auto prediction = check.input("prediction", 1, count, 5);
    std::vector<double> target(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = i % 3 == 0 ? -1 : 1;
    const std::vector<double> weights{0.7, 2.5};
    expect(check.run([&](auto& t, auto& v) {
      const auto each =
          on_host(exec, pointwise_error(t, kind, v[prediction], t.upload(target), t.upload(places), t.upload(weights)));
      return weights[0] * each[0] + weights[1] * each[1];
    }),
           shape_text(static_cast<int>(kind)));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gaussian_sample_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  const std::vector<std::vector<key_interval>> cases{{{0, 1}}, {{0, 3}, {3, 4}}, {{0, 5}, {5, 11}}};
  for (const auto& ranges : cases)
    for (const index_t channels : {1, 3, 8})
      for (const bool with_noise : {false, true})
        for (const bool used : {false, true})
          for (const bool weighted : {false, true}) {
            const index_t rows = ranges.back().end;
            gradient_check check(exec, 21);
            const auto moments = check.input("moments", rows, 2 * channels);
            std::vector<double> weights;
            for (std::size_t i = 0; i < ranges.size(); ++i) weights.push_back(0.3 + static_cast<double>(i));
            expect(check.run([&](auto& t, auto& v) {
              const auto noise = t.saved_real(with_noise ? rows : 0, channels);
              t.exec().normal(noise.flat(), {7, 0, stream::test}, 1.0);
              const auto latent =
                  gaussian_sample(t, v[moments], with_noise ? noise : view<double, 2>{}, t.upload(ranges),
                                  weighted ? t.upload(weights) : view<const double, 1>{});
              const auto kl = on_host(exec, latent.kl);
              double value = used ? weighted_output(t, latent.z, key) : 0;
              for (std::size_t i = 0; weighted && i < kl.size(); ++i) value += weights[i] * kl[i];
              return value;
            }),
                   shape_text(rows, channels, with_noise, used, weighted));
          }
}

// cos and sin of t · 10000^(-k/K), cosines first; no gradient.
BOOST_AUTO_TEST_CASE_TEMPLATE(timestep_embedding_values, Exec, test_support::double_policies) {
  Exec exec;
  tape<Exec> t(exec);
  const std::vector<double> times{1, 250, 1000};
  const auto e = timestep_embedding(t, t.upload(times), 8);
  const auto found = on_host(exec, e.value());
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t k = 0; k < 4; ++k) {
      const double angle = times[i] * std::pow(10000.0, -static_cast<double>(k) / 4);
      BOOST_TEST(std::abs(found[8 * i + k] - std::cos(angle)) < 1e-12);
      BOOST_TEST(std::abs(found[8 * i + 4 + k] - std::sin(angle)) < 1e-12);
    }
  BOOST_TEST(!t.sink(e));
}
