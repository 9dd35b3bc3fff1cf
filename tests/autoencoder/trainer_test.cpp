// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autoencoder_trainer
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <set>

#include "support/policies.hpp"
#include "support/temporary_folder.hpp"
#include "transfusion/autoencoder/frozen.hpp"
#include "transfusion/autoencoder/trainer.hpp"
#include "transfusion/autoencoder/vgg.hpp"
#include "transfusion/testing/compare.hpp"

using namespace transfusion;
using transfusion::testing::on_host;

namespace {

#ifdef TRANSFUSION_TEST_CUDA
using exec_type = cuda_exec<float>;
#else
using exec_type = cpu_exec<float>;
#endif

const autoencoder_options small{
    .channels = 2, .latent_channels = 3, .level_channels = {4, 8}, .blocks = 1, .groups = 2};
const bottleneck::codebook::options few_codes{.codes = 16, .commitment = 0.25};
const vgg_options few_features{.image_channels = 2, .stages = {{4}, {4}}};

/// Gratings of several directions.
std::vector<image> pictures(index_t step) {
  std::vector<image> images;
  for (index_t i = 0; i < 3; ++i) {
    image p{{2, 8, 8}, {}};
    const double angle = static_cast<double>((3 * step + i) % 8) * 0.4;
    for (index_t c = 0; c < 2; ++c)
      for (index_t y = 0; y < 8; ++y)
        for (index_t x = 0; x < 8; ++x)
          p.values.push_back(static_cast<float>(0.8 * std::sin(0.9 * (std::cos(angle) * static_cast<double>(x) +
                                                                      std::sin(angle) * static_cast<double>(y)) +
                                                               static_cast<double>(c))));
    images.push_back(std::move(p));
  }
  return images;
}

/// All terms from step 4 on; codes start again after 3 steps without use.
autoencoder_training all_terms(index_t steps) {
  autoencoder_training o;
  o.steps = steps;
  o.warmup = 2;
  o.peak_rate = 4e-3;
  o.adversarial_from = 4;
  o.discriminator = {.channels = 4, .halvings = 2, .groups = 2};
  o.restart_codes_after = 3;
  o.seed = 3;
  o.quiet = true;
  return o;
}

template <class Bottleneck>
struct run {
  exec_type exec;
  vgg<exec_type> features{exec, few_features, 5};
  autoencoder<Bottleneck, exec_type> model;
  autoencoder_trainer<autoencoder<Bottleneck, exec_type>, vgg<exec_type>, vgg<exec_type>> trainer;

  explicit run(const autoencoder_training& o)
      : model(exec, small, 1, inner()), trainer((features.parameters().freeze(""), model), o, features, features) {}

  static typename Bottleneck::options inner() {
    typename Bottleneck::options o;
    if constexpr (requires { o.codes; }) o = few_codes;
    return o;
  }
  auto weights() { return on_host(exec, model.parameters().values()); }
};

using bottlenecks = std::tuple<bottleneck::gaussian, bottleneck::codebook>;

}  // namespace

#ifndef TRANSFUSION_TEST_CUDA  // long on the emulator
BOOST_AUTO_TEST_CASE_TEMPLATE(training_reconstructs, Bottleneck, bottlenecks) {
  autoencoder_training o = all_terms(150);
  o.adversarial_from = o.steps;
  run<Bottleneck> r(o);
  std::vector<autoencoder_report> reports;
  r.trainer.run(pictures, [&](const autoencoder_report& report) { reports.push_back(report); });
  const auto mean_of_last = [&](double autoencoder_report::*member) {
    double sum = 0;
    for (std::size_t i = reports.size() - 8; i < reports.size(); ++i) sum += reports[i].*member;
    return sum / 8;
  };
  BOOST_TEST(mean_of_last(&autoencoder_report::absolute) < 0.35 * reports.front().absolute);
  BOOST_TEST(mean_of_last(&autoencoder_report::perceptual) < 0.5 * reports.front().perceptual);
  BOOST_TEST(reports.front().perceptual == reports.front().identity);  // one network in both places
  if (Bottleneck::default_weight < 1) return;
  BOOST_TEST(reports.back().codes_used >= 0.8);
  BOOST_TEST(reports.back().codes_dead == 16 * (1 - reports.back().codes_used));
  BOOST_TEST(reports[1].codes_restarted == 0);  // after three steps without use, not before
  BOOST_TEST(reports[2].codes_restarted > 0);
  BOOST_TEST(reports.back().code_perplexity > 4);
  BOOST_TEST(reports.back().code_perplexity <= 16);
}
#endif

BOOST_AUTO_TEST_CASE_TEMPLATE(a_resumed_run_repeats_the_whole_one, Bottleneck, bottlenecks) {
  test_support::folder folder;
  autoencoder_training o = all_terms(9);
  run<Bottleneck> whole(o);
  whole.trainer.run(pictures);

  o.checkpoint_path = folder / "coder.safetensors";
  {
    run<Bottleneck> first(o);
    for (index_t step = 0; step < 6; ++step) first.trainer.step(pictures(step));
    first.trainer.save();
  }
  run<Bottleneck> second(o);
  second.trainer.resume(o.checkpoint_path);
  BOOST_TEST(second.trainer.next_step() == 6);
  second.trainer.run(pictures);
  BOOST_TEST(second.weights() == whole.weights(), boost::test_tools::per_element());
  const auto same = [&](auto part) {
    BOOST_TEST(on_host(second.exec, part(second)) == on_host(whole.exec, part(whole)),
               boost::test_tools::per_element());
  };
  same([](auto& r) { return r.trainer.optimiser().average(); });
  same([](auto& r) { return r.trainer.optimiser().first_moment(); });
  same([](auto& r) { return r.trainer.optimiser().second_moment(); });
  const code_use &found_use = second.trainer.codes(), &expected_use = whole.trainer.codes();
  BOOST_TEST(found_use.counts() == expected_use.counts(), boost::test_tools::per_element());
  BOOST_TEST(found_use.last_steps() == expected_use.last_steps(), boost::test_tools::per_element());
  BOOST_TEST(found_use.renewed_steps() == expected_use.renewed_steps(), boost::test_tools::per_element());
  const auto weights_of_nine = whole.weights();
  const auto average_of_nine = on_host(whole.exec, whole.trainer.optimiser().average());
  const auto next = second.trainer.step(pictures(9)), expected = whole.trainer.step(pictures(9));
  BOOST_TEST(next.discriminator == expected.discriminator);
  BOOST_TEST(next.discriminator_norm == expected.discriminator_norm);
  BOOST_TEST(next.code_perplexity == expected.code_perplexity);

  // The checkpoint is an autoencoder's file, with averaged weights; a run of another seed leaves it alone.
  autoencoder<Bottleneck, exec_type> loaded(second.exec, small, 9, run<Bottleneck>::inner());
  load_weights(safetensors_file(o.checkpoint_path), loaded);
  BOOST_TEST(on_host(second.exec, loaded.parameters().values()) == average_of_nine, boost::test_tools::per_element());
  load_weights(safetensors_file(o.checkpoint_path), loaded, weights::trained);
  BOOST_TEST(on_host(second.exec, loaded.parameters().values()) == weights_of_nine, boost::test_tools::per_element());
  o.seed = 4;
  run<Bottleneck> other(o);
  const auto before = other.weights();
  BOOST_CHECK_THROW(other.trainer.resume(o.checkpoint_path), config_error);
  BOOST_TEST(other.weights() == before, boost::test_tools::per_element());

  // Nor does a run go on that would lose a part of it.
  const auto refuses = [&](const autoencoder_training& fewer, const std::string& tensor) {
    run<Bottleneck> lossy(fewer);
    BOOST_CHECK_EXCEPTION(lossy.trainer.resume(o.checkpoint_path), format_error, [&](const format_error& e) {
      return std::string(e.what()).find("tensor '" + tensor) != std::string::npos;
    });
  };
  autoencoder_training fewer = all_terms(12);
  fewer.optimiser.ema_decay = 0;
  refuses(fewer, "average.");
  fewer = all_terms(12);
  fewer.adversarial_from = fewer.steps;
  refuses(fewer, "");
}

BOOST_AUTO_TEST_CASE(a_measured_scale_stays_with_the_checkpoint) {
  test_support::folder folder;
  autoencoder_training o = all_terms(3);
  o.checkpoint_path = folder / "vae.safetensors";
  run<bottleneck::gaussian> r(o);
  r.trainer.run(pictures);
  r.trainer.measure_latents(2, pictures);
  r.trainer.save();
  // What the averaged weights make of the same pictures, measured by the way of users.
  const std::filesystem::path path = o.checkpoint_path;
  const frozen_autoencoder<bottleneck::gaussian, exec_type> scaled(r.exec, path);
  BOOST_TEST_REQUIRE(scaled.scale().has_value());
  auto plain = std::make_unique<vae<exec_type>>(r.exec, small, 1);
  load_weights(safetensors_file(path), *plain);
  const frozen_autoencoder<bottleneck::gaussian, exec_type> coder(std::move(plain));
  const latent_scale expected = measure_scale(coder, 2, pictures);
  for (std::size_t c = 0; c < 3; ++c) {
    BOOST_TEST(scaled.scale()->mean[c] == expected.mean[c], boost::test_tools::tolerance(1e-5));
    BOOST_TEST(scaled.scale()->deviation[c] == expected.deviation[c], boost::test_tools::tolerance(1e-5));
  }
  run<bottleneck::gaussian> resumed(o);
  resumed.trainer.resume(o.checkpoint_path);
  BOOST_TEST(resumed.trainer.scale()->mean == scaled.scale()->mean, boost::test_tools::per_element());
  BOOST_CHECK_THROW(measure_scale(scaled, 2, pictures), config_error);
  resumed.trainer.step(pictures(3));  // other weights have another scale
  BOOST_TEST(!resumed.trainer.scale().has_value());
}

// The rows of dead codes become encoded pixels, each once, in the average too; their moments are 0 again.
BOOST_AUTO_TEST_CASE(dead_codes_start_again_where_pixels_are) {
  exec_type e;
  vq_vae<exec_type> m(e, small, 1, few_codes);
  adamw<exec_type> optimiser(e, m.parameters(), {.ema_decay = 0.5});
  e.fill(optimiser.first_moment(), 1);
  e.fill(optimiser.second_moment(), 2);
  tape<exec_type> t(e);
  const auto encoded = t.saved(4, 3);
  e.normal(encoded.flat(), {1, 0, stream::test}, 1);
  const auto table = m.bottleneck().codes;
  const auto before = on_host(e, table.master()), pixels = on_host(e, encoded.flat());
  restart_codes(t, m.parameters(), optimiser, table, {1, 5, 15}, encoded, {3, 7, stream::resampling});
  const auto part = [&](auto block) { return on_host(e, block.slice(table.offset(), table.offset() + table.size())); };
  const auto rows = on_host(e, table.master()), average = part(optimiser.average()),
             first = part(optimiser.first_moment());
  std::set<std::ptrdiff_t> chosen;
  for (std::size_t code = 0; code < 16; ++code) {
    const std::vector<float> row(rows.begin() + static_cast<std::ptrdiff_t>(3 * code),
                                 rows.begin() + static_cast<std::ptrdiff_t>(3 * code + 3));
    const bool dead = code == 1 || code == 5 || code == 15;
    for (std::size_t c = 0; c < 3; ++c) {
      if (!dead) BOOST_TEST(row[c] == before[3 * code + c]);
      BOOST_TEST(average[3 * code + c] == row[c]);
      BOOST_TEST(first[3 * code + c] == (dead ? 0 : 1));
    }
    if (!dead) continue;
    const auto at = std::search(pixels.begin(), pixels.end(), row.begin(), row.end());
    BOOST_TEST((at != pixels.end()));
    chosen.insert((at - pixels.begin()) / 3);
  }
  BOOST_TEST(chosen.size() == 3u);
}

#ifndef TRANSFUSION_TEST_CUDA
// Scalar and real are two types, as on a GPU.
BOOST_AUTO_TEST_CASE_TEMPLATE(two_types_train, Bottleneck, bottlenecks) {
  using narrow = reference_exec<bf16>;
  narrow e;
  typename Bottleneck::options inner;
  if constexpr (requires { inner.codes; }) inner = few_codes;
  vgg<narrow> features(e, few_features, 5);
  features.parameters().freeze("");
  autoencoder<Bottleneck, narrow> m(e, small, 1, inner);
  autoencoder_trainer trainer(m, all_terms(8), features);
  double first = 0, last = 0;
  for (index_t step = 0; step < 8; ++step) {
    last = trainer.step(pictures(0)).absolute;
    if (step == 0) first = last;
  }
  BOOST_TEST(last < first);
}
#endif

BOOST_AUTO_TEST_CASE(the_discriminator_begins_at_its_step_and_learns) {
  autoencoder_training o = all_terms(40);
  o.adversarial_weight = 0;  // the decoder does not defend itself
  run<bottleneck::gaussian> r(o);
  double first = 0, last = 0;
  for (index_t step = 0; step < o.steps; ++step) {
    const auto report = r.trainer.step(pictures(step));
    BOOST_TEST((report.discriminator != 0) == (step >= 4));
    BOOST_TEST((report.discriminator_norm != 0) == (step >= 4));
    if (step == 4) first = report.discriminator;
    last = report.discriminator;
  }
  BOOST_TEST(last < 0.8 * first);
}

// Weights of 0 leave the other terms' gradients as they are.
BOOST_AUTO_TEST_CASE(a_term_without_weight_changes_nothing) {
  autoencoder_training with = all_terms(6), without = with;
  with.adversarial_weight = 0;
  without.adversarial_from = without.steps;
  run<bottleneck::gaussian> a(with), b(without);
  for (index_t step = 0; step < 6; ++step) {
    a.trainer.step(pictures(step));
    b.trainer.step(pictures(step));
  }
  BOOST_TEST(a.weights() == b.weights(), boost::test_tools::per_element());
}

// With the adaptive weight both gradients are equally large at the last convolution, times the weight: here those of
// two absolute errors, one a thousand times the other.
BOOST_AUTO_TEST_CASE(balanced_gradients_are_equally_large) {
  exec_type e;
  vae<exec_type> m(e, small, 1);
  m.parameters().allocate_gradients();
  const auto gradient = [&](double first, double second, bool balance) {
    m.parameters().zero_gradients();
    tape<exec_type> t(e);
    const auto images = pictures(0);
    const auto x = m.upload(t, std::span<const image>(images));
    const auto made = m.reconstruct(t, x, 0, {1, 0, stream::noise});
    balanced_pixels<exec_type> y{made.pixels, made.pixels};
    if (balance) y = balanced_gradient(t, made.pixels, made.hidden, m.last_layer(), x.levels.front().window, 0.5);
    const auto place = [&](var<exec_type> v, error_kind kind, double weight) {
      const auto flat = unpatchify(t, v, x.places, {}, x.values.size());
      const std::vector<float> each(3, static_cast<float>(weight));
      pointwise_error(t, kind, flat, x.values, x.places, t.upload(each));
    };
    if (first != 0) place(y.reconstructed, error_kind::absolute, first);
    if (second != 0) place(y.adversarial, error_kind::linear, second);
    t.backward();
    return on_host(e, m.last_layer().weight.flat_gradient());
  };
  const auto norm = [](const std::vector<float>& g) {
    double squares = 0;
    for (float v : g) squares += static_cast<double>(v) * v;
    return std::sqrt(squares);
  };
  const auto a = gradient(1, 0, false), b = gradient(0, 1000, false), both = gradient(1, 1000, true);
  const double factor = 0.5 * norm(a) / (norm(b) + 1e-4);
  for (std::size_t i = 0; i < a.size(); ++i) BOOST_TEST(std::abs(both[i] - (a[i] + factor * b[i])) < 1e-4 * norm(a));
  BOOST_TEST(norm(b) > 10 * norm(a));
}

BOOST_AUTO_TEST_CASE(numbers_that_are_not_finite_change_no_weight) {
  run<bottleneck::gaussian> r(all_terms(6));
  const auto before = r.weights();
  auto spoilt = pictures(0);
  spoilt[1].values[5] = std::numeric_limits<float>::quiet_NaN();
  BOOST_CHECK_EXCEPTION(r.trainer.step(spoilt), numeric_error, [](const numeric_error& e) {
    return std::string(e.what()).find("step 0: absolute: found") != std::string::npos;
  });
  BOOST_TEST(r.weights() == before, boost::test_tools::per_element());
  BOOST_CHECK_NO_THROW(r.trainer.step(pictures(0)));
}

BOOST_AUTO_TEST_CASE(the_use_of_codes_is_counted) {
  code_use use(4);
  BOOST_TEST(use.perplexity() == 0);
  BOOST_TEST(use.dead(0, 1).size() == 4u);
  const std::vector<token_t> even{0, 1, 2, 3}, one{2, 2, 2, 2};
  use.add(0, even);
  BOOST_TEST(use.perplexity() == 4, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(use.read(0, 100) == 4);
  code_use single(4);
  single.add(0, one);
  BOOST_TEST(single.perplexity() == 1, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(single.read(0, 100) == 1);
  use.add(1, one);
  use.add(2, one);
  BOOST_TEST(use.read(2, 2) == 1);
  BOOST_TEST(use.dead(2, 2) == (std::vector<index_t>{0, 1, 3}), boost::test_tools::per_element());
  BOOST_TEST(use.read(2, 3) == 4);
  use.renew(3, 2);  // is left alone from now on, and not read for that
  BOOST_TEST(use.read(2, 2) == 1);
  BOOST_TEST(use.dead(2, 2) == (std::vector<index_t>{0, 1}), boost::test_tools::per_element());
}
