// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE train_trainer
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <limits>
#include <memory>
#include <tuple>
#include <type_traits>

#include "support/policies.hpp"
#include "support/toy.hpp"
#include "transfusion/train/trainer.hpp"

namespace tf = transfusion;
using namespace test_support;

namespace {

tf::train_options quick(tf::index_t steps) {
  tf::train_options o;
  o.steps = steps;
  o.peak_rate = 3e-3;
  o.last_rate = 3e-4;
  o.warmup = std::min<tf::index_t>(5, steps);
  o.caption_dropout = 0.3;
  o.seed = 11;
  o.quiet = true;
  return o;
}

/// Model and trainer made anew, as a process of its own would.
template <class Exec>
struct run {
  using model_type = tf::model<tf::paper, Exec>;
  Exec exec;
  model_type model;
  tf::trainer<model_type> trainer;

  explicit run(const tf::train_options& options, std::uint64_t model_seed = 1)
      : model(exec, toy_sizes, model_seed), trainer(model, options) {}

  auto weights() { return weights_of(model); }
  auto first_moment() { return host_copy<typename Exec::scalar>(exec, trainer.optimiser().first_moment()); }
  auto second_moment() { return host_copy<typename Exec::scalar>(exec, trainer.optimiser().second_moment()); }
  auto average() { return host_copy<typename Exec::scalar>(exec, trainer.optimiser().average()); }
};

/// A policy that says what its products can reach: 2 GFLOP/s, and by its data sheet Nominal operations a second.
template <long Nominal>
struct rated_exec : tf::cpu_exec<float> {
  int measured = 0;
  double nominal_matmul_rate() const { return static_cast<double>(Nominal); }
  double matmul_rate() { return ++measured, 2e9; }
};
using nominal_rates = std::tuple<std::integral_constant<long, 5000000000>, std::integral_constant<long, 0>>;

struct counting_exec : tf::cpu_exec<float> {
  int downloads = 0;
  void download(void* to, const void* from, std::size_t bytes) {
    ++downloads;
    tf::cpu_exec<float>::download(to, from, bytes);
  }
};

/// A CSV log up to the rate: without speeds and memory, which a repeated run has otherwise.
std::string repeatable_log(const std::string& path) {
  std::istringstream in(bytes_of(path));
  std::string kept, line;
  while (std::getline(in, line)) {
    std::size_t end = 0;
    for (int column = 0; column < 6; ++column) end = line.find(',', end + 1);
    kept += line.substr(0, end) + "\n";
  }
  return kept;
}

struct killed {};

}  // namespace

BOOST_AUTO_TEST_CASE(losses_fall_on_a_toy_task) {
  run<tf::cpu_exec<float>> r(quick(300));
  std::vector<tf::trainer<decltype(r.model)>::report> reports;
  for (tf::index_t s = 0; s < 300; ++s) reports.push_back(r.trainer.step(toy_documents(s)));
  const auto mean = [&](std::size_t term, std::size_t begin) {
    double sum = 0;
    for (std::size_t i = begin; i < begin + 20; ++i) sum += reports[i].losses[term] / 20;
    return sum;
  };
  BOOST_TEST(mean(0, 280) < 0.6 * mean(0, 0));
  BOOST_TEST(mean(1, 280) < 0.7 * mean(1, 0));
  // Untrained: every token is as likely as another, and the prediction of ε is 0.
  BOOST_TEST(std::abs(reports[0].losses[0] - std::log(10.0)) < 0.1);
  BOOST_TEST(std::abs(mean(1, 0) - 1) < 0.3);
}

BOOST_AUTO_TEST_CASE(a_report_says_what_the_step_did) {
  auto options = quick(10);
  options.caption_dropout = 0;
  run<tf::cpu_exec<float>> r(options);
  const auto first = r.trainer.step(toy_documents(0)), second = r.trainer.step(toy_documents(1));
  BOOST_TEST(first.step == 0);
  BOOST_TEST(second.step == 1);
  BOOST_TEST(r.trainer.next_step() == 2);
  BOOST_TEST(first.rate == 3e-3 / 5);
  BOOST_TEST(std::abs(first.total - (first.losses[0] + 5 * first.losses[1])) < 1e-12);
  BOOST_TEST(first.gradient_norm > 0);
  // BOS, words, BOI, patches, EOI, EOS: three documents of 1+2+1+4+1+1, one of the same, text of 5, two images of 4
  // and 3.
  BOOST_TEST(first.tokens == 4 * 10 + 5 + (1 + 2 + 6 + 2 + 5 + 1));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_resumed_run_repeats_the_uninterrupted_one_bit_for_bit, Exec, policies) {
  const folder at;
  auto options = quick(20);
  options.optimiser.ema_decay = 0.99;
  options.micro_batches = 2;

  auto whole_options = options;
  whole_options.log_path = at / "whole.csv";
  run<Exec> whole(whole_options);
  whole.trainer.run(toy_documents);

  options.log_path = at / "cut.csv";
  options.checkpoint_path = at / "run.safetensors";
  options.checkpoint_every = 5;
  auto cut = std::make_unique<run<Exec>>(options);
  BOOST_CHECK_THROW(cut->trainer.run([](tf::index_t s) {
    if (s == 13) throw killed{};
    return toy_documents(s);
  }),
                    killed);
  cut.reset();

  run<Exec> resumed(options, 77);  // other weights to begin with: the checkpoint's must replace them all
  resumed.trainer.resume(at / "run.safetensors");
  BOOST_TEST(resumed.trainer.next_step() == 10);
  tf::index_t asked_first = -1;
  resumed.trainer.run([&](tf::index_t s) {
    if (asked_first < 0) asked_first = s;
    return toy_documents(s);
  });

  BOOST_TEST(asked_first == 10);
  BOOST_TEST(resumed.trainer.next_step() == 20);
  BOOST_TEST((resumed.weights() == whole.weights()));
  BOOST_TEST((resumed.first_moment() == whole.first_moment()));
  BOOST_TEST((resumed.second_moment() == whole.second_moment()));
  BOOST_TEST((resumed.average() == whole.average()));
  BOOST_TEST((whole.average() != whole.weights()));
  BOOST_TEST(repeatable_log(at / "cut.csv") == repeatable_log(at / "whole.csv"));
  const std::string log = bytes_of(at / "whole.csv"), header = log.substr(0, log.find('\n'));
  constexpr bool is_device = requires(Exec & e) { e.peak_bytes(); };
  BOOST_TEST(header == std::string("step,text,image,total,gradient_norm,rate,tokens_per_second,gflops") +
                           (is_device ? ",peak_bytes,mfu_nominal,mfu_measured" : ""));
  BOOST_TEST(std::count(log.begin(), log.end(), ',') == 21 * (is_device ? 10 : 7));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_log_has_the_shares_of_rates_that_the_policy_knows, Nominal, nominal_rates) {
  const folder at;
  auto options = quick(5);
  options.log_path = at / "log.csv";
  run<rated_exec<Nominal::value>> r(options);
  r.trainer.run(toy_documents);
  BOOST_TEST(r.exec.measured == 1);
  std::istringstream log(bytes_of(options.log_path));
  std::string line;
  std::getline(log, line);
  BOOST_TEST(line.ends_with(",gflops,mfu_nominal,mfu_measured"));
  int lines = 0;
  for (; std::getline(log, line); ++lines) {
    std::vector<double> values;
    std::istringstream fields(line);
    for (std::string field; std::getline(fields, field, ',');) values.push_back(std::stod(field));
    BOOST_REQUIRE(values.size() == 10u);
    const double flops = 1e9 * values[7];
    BOOST_TEST(flops > 0);
    const double nominal = Nominal::value > 0 ? flops / Nominal::value : 0;
    BOOST_TEST(std::abs(values[8] - nominal) <= 1e-5 * nominal);  // six digits
    BOOST_TEST(std::abs(values[9] - flops / 2e9) <= 1e-5 * values[9]);
  }
  BOOST_TEST(lines == 5);
}

BOOST_AUTO_TEST_CASE(a_rate_is_not_measured_for_nobody) {
  run<rated_exec<0>> r(quick(2));
  r.trainer.run(toy_documents);
  BOOST_TEST(r.exec.measured == 0);
}

BOOST_AUTO_TEST_CASE(a_step_downloads_once_whatever_its_small_batches) {
  for (tf::index_t parts : {1, 3}) {
    auto options = quick(10);
    options.micro_batches = parts;
    run<counting_exec> r(options);
    for (tf::index_t s = 0; s < 3; ++s) {
      const int before = r.exec.downloads;
      r.trainer.step(toy_documents(s));
      BOOST_TEST(r.exec.downloads == before + 1);
    }
  }
}

// More items than were ever gathered: what was gathered so far must move with the memory.
BOOST_AUTO_TEST_CASE(a_step_of_many_small_batches_loses_no_loss) {
  auto options = quick(10);
  options.caption_dropout = 0;
  options.micro_batches = 40;
  run<tf::reference_exec<double>> r(options);
  std::vector<tf::document> documents;
  for (tf::index_t s = 0; s < 8; ++s)
    for (auto& d : toy_documents(s)) documents.push_back(std::move(d));
  tf::tape<tf::reference_exec<double>> tape(r.exec, tf::recording::off);
  const auto batch = r.model.pack(documents);
  const auto plan = r.model.plan_noise(batch, {11, 0, tf::stream::noise}, {}, {});
  const auto whole = r.model.loss(tape, batch, plan);
  const double text = whole.mean(r.exec, 0), image = whole.mean(r.exec, 1);
  const auto found = r.trainer.step(documents);
  BOOST_TEST(std::abs(found.losses[0] - text) < 1e-12);
  BOOST_TEST(std::abs(found.losses[1] - image) < 1e-12);
}

BOOST_AUTO_TEST_CASE(the_same_seed_repeats_a_run_and_another_does_not) {
  auto options = quick(5);
  run<tf::cpu_exec<float>> a(options), b(options);
  options.seed = 12;
  run<tf::cpu_exec<float>> c(options);
  for (auto* r : {&a, &b, &c}) r->trainer.run(toy_documents);
  BOOST_TEST((a.weights() == b.weights()));
  BOOST_TEST((a.weights() != c.weights()));
}

// Noise, times and means belong to the step, so cutting it changes nothing but the order of sums.
BOOST_AUTO_TEST_CASE_TEMPLATE(small_batches_give_the_step_of_one_large_one, Exec, policies) {
  const double tolerance = sizeof(typename Exec::scalar) == 8 ? 1e-11 : 1e-5;
  auto options = quick(10);
  run<Exec> whole(options);
  std::vector<std::unique_ptr<run<Exec>>> cut;
  for (tf::index_t parts : {2, 3, 4, 6, 100}) {
    options.micro_batches = parts;
    cut.push_back(std::make_unique<run<Exec>>(options));
  }
  for (tf::index_t s = 0; s < 3; ++s) {
    const auto expected = whole.trainer.step(toy_documents(s));
    for (auto& r : cut) {
      const auto found = r->trainer.step(toy_documents(s));
      BOOST_TEST(found.tokens == expected.tokens);
      for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(std::abs(found.losses[i] - expected.losses[i]) < tolerance);
      BOOST_TEST(std::abs(found.gradient_norm - expected.gradient_norm) < tolerance * (1 + expected.gradient_norm));
    }
  }
  // AdamW magnifies rounding where a gradient is nearly zero: up to a step, where floats are concerned.
  const double weights = sizeof(typename Exec::scalar) == 8 ? 1e-9 : 1e-3;
  for (auto& r : cut) BOOST_TEST(distance(r->weights(), whole.weights()) < weights);
}

BOOST_AUTO_TEST_CASE(every_caption_is_dropped_at_probability_one) {
  auto options = quick(5);
  options.caption_dropout = 1;
  run<tf::cpu_exec<float>> r(options);
  const auto report = r.trainer.step({{toy_caption(0), toy_image(0)}});
  BOOST_TEST(report.tokens == 1 + 1 + 4 + 1);  // BOS BOI patches EOI
}

BOOST_AUTO_TEST_CASE(a_text_only_step_and_an_image_only_step_train) {
  run<tf::cpu_exec<float>> r(quick(5));
  const auto text_only = r.trainer.step({{tf::text{{5, 6}}}});
  BOOST_TEST(text_only.losses[0] > 0);
  BOOST_TEST(text_only.losses[1] == 0);
  const auto image_only = r.trainer.step({tf::without_context(toy_image(1))});
  BOOST_TEST(image_only.losses[1] > 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_number_that_is_not_finite_stops_the_run_and_harms_nothing, Exec, policies) {
  const folder at;
  auto options = quick(20);
  options.checkpoint_path = at / "run.safetensors";
  options.checkpoint_every = 2;
  run<Exec> r(options);
  std::vector<typename Exec::scalar> before;
  std::string checkpoint;
  const auto with_nan = [&](tf::index_t s) {
    auto documents = toy_documents(s);
    if (s == 5) {
      before = r.weights();
      checkpoint = bytes_of(options.checkpoint_path);
      std::get<tf::image>(documents[1].segments[1]).values[3] = std::numeric_limits<float>::quiet_NaN();
    }
    return documents;
  };
  fails_saying<tf::numeric_error>([&] { r.trainer.run(with_nan); }, {"step 5", "loss is", "nan", "gradient of "});
  BOOST_TEST(r.trainer.next_step() == 5);
  BOOST_TEST((r.weights() == before));
  BOOST_TEST((bytes_of(options.checkpoint_path) == checkpoint));

  run<Exec> resumed(options, 77);
  resumed.trainer.resume(options.checkpoint_path);
  BOOST_TEST(resumed.trainer.next_step() == 4);
  resumed.trainer.step(toy_documents(4));
  BOOST_TEST((resumed.weights() == before));

  // Whoever catches the error can go on with the next batch: nothing of the bad one is left in the gradients.
  const auto expected = resumed.trainer.step(toy_documents(5));
  const auto found = r.trainer.step(toy_documents(5));
  BOOST_TEST(found.gradient_norm == expected.gradient_norm);
  BOOST_TEST((r.weights() == resumed.weights()));
}

BOOST_AUTO_TEST_CASE(a_weight_that_is_not_finite_is_named) {
  run<tf::cpu_exec<float>> r(quick(5));
  r.model.parameters().each([&](auto p) {
    if (p.name() == "blocks.1.attention.wk") r.exec.fill(p.master().slice(3, 4), INFINITY);
  });
  fails_saying<tf::numeric_error>([&] { r.trainer.step(toy_documents(0)); },
                                  {"step 0", "loss", "weights of blocks.1.attention.wk"});
}

BOOST_AUTO_TEST_CASE(metadata_goes_into_the_checkpoint) {
  const folder at;
  auto options = quick(1);
  options.checkpoint_path = at / "run.safetensors";
  run<tf::cpu_exec<float>> r(options);
  r.trainer.set_metadata({{"words", "a b c"}});
  r.trainer.run(toy_documents);
  const tf::safetensors_file file(options.checkpoint_path);
  BOOST_TEST(file.metadata().at("words") == "a b c");
  const auto state = tf::stored_training_state(file);
  BOOST_TEST(state.next_step == 1);
  BOOST_TEST(state.seed == 11u);
}

BOOST_AUTO_TEST_CASE(a_finished_run_has_nothing_left_to_do) {
  const folder at;
  auto options = quick(2);
  options.checkpoint_path = at / "run.safetensors";
  run<tf::cpu_exec<float>> r(options), again(options);
  r.trainer.run(toy_documents);
  again.trainer.resume(options.checkpoint_path);
  again.trainer.run([](tf::index_t) -> std::vector<tf::document> { throw killed{}; });
  BOOST_TEST((again.weights() == r.weights()));
}

BOOST_AUTO_TEST_CASE(a_checkpoint_that_does_not_fit_changes_nothing) {
  const folder at;
  auto options = quick(2);
  options.checkpoint_path = at / "run.safetensors";
  run<tf::cpu_exec<float>> r(options);
  r.trainer.run(toy_documents);
  tf::save_model(at / "model.safetensors", r.model);

  const auto refused = [&]<class Error>(Error*, const tf::train_options& o, const std::string& path,
                                        const std::vector<std::string>& words) {
    run<tf::cpu_exec<float>> other(o, 5);
    const auto weights = other.weights(), moment = other.first_moment();
    fails_saying<Error>([&] { other.trainer.resume(path); }, words);
    BOOST_TEST((other.weights() == weights));
    BOOST_TEST((other.first_moment() == moment));
    BOOST_TEST(other.trainer.next_step() == 0);
  };
  auto other_seed = options, with_average = options;
  other_seed.seed = 12;
  with_average.optimiser.ema_decay = 0.9;
  constexpr tf::config_error* config = nullptr;
  constexpr tf::format_error* format = nullptr;
  constexpr tf::io_error* io = nullptr;
  refused(config, other_seed, options.checkpoint_path, {"run.safetensors", "seed", "found 11", "expected 12"});
  refused(format, with_average, options.checkpoint_path, {"run.safetensors", "'average.", "found none"});
  refused(format, options, at / "model.safetensors", {"model.safetensors", "transfusion.next_step"});
  refused(io, options, at / "missing.safetensors", {"missing.safetensors"});

  const std::string whole = bytes_of(options.checkpoint_path);
  std::ofstream(at / "short.safetensors", std::ios::binary) << whole.substr(0, whole.size() - 100);
  refused(format, options, at / "short.safetensors", {"short.safetensors"});
}

BOOST_AUTO_TEST_CASE(options_outside_their_range_are_refused_by_name) {
  tf::cpu_exec<float> exec;
  tf::model<tf::paper, tf::cpu_exec<float>> model(exec, toy_sizes, 0);
  const auto refused = [&](auto change, const char* name) {
    auto options = quick(5);
    change(options);
    fails_saying<tf::config_error>([&] { tf::trainer trainer(model, options); }, {name, "found", "expected"});
  };
  using o = tf::train_options;
  refused([](o& x) { x.steps = 0; }, "steps");
  refused([](o& x) { x.micro_batches = 0; }, "micro_batches");
  refused([](o& x) { x.warmup = -1; }, "warmup");
  refused([](o& x) { x.warmup = x.steps + 1; }, "warmup");
  refused([](o& x) { x.checkpoint_every = -1; }, "checkpoint_every");
  refused([](o& x) { x.peak_rate = -1; }, "peak_rate");
  refused([](o& x) { x.last_rate = std::nan(""); }, "last_rate");
  refused([](o& x) { x.caption_dropout = 1.5; }, "caption_dropout");
  refused([](o& x) { x.caption_dropout = -0.1; }, "caption_dropout");
  refused([](o& x) { x.text_dropout = 1.5; }, "text_dropout");
  refused([](o& x) { x.optimiser.beta1 = 1; }, "beta1");
  refused([](o& x) { x.optimiser.beta2 = -0.1; }, "beta2");
  refused([](o& x) { x.optimiser.epsilon = -1; }, "epsilon");
  refused([](o& x) { x.optimiser.weight_decay = -1; }, "weight_decay");
  refused([](o& x) { x.optimiser.max_norm = -1; }, "max_norm");
  refused([](o& x) { x.optimiser.ema_decay = 1; }, "ema_decay");
}

// What fails in the second small batch leaves nothing of the first.
BOOST_AUTO_TEST_CASE(a_step_that_breaks_off_leaves_no_gradient) {
  auto options = quick(5);
  options.micro_batches = 2;
  run<tf::cpu_exec<float>> r(options), untouched(options);
  int asked = 0;
  r.trainer.set_teacher([&](const auto&, const auto&) -> tf::view<const float, 1> {
    if (++asked == 2) throw killed{};
    return {};
  });
  BOOST_CHECK_THROW(r.trainer.step(toy_documents(0)), killed);
  r.trainer.set_teacher({});
  r.trainer.step(toy_documents(0));
  untouched.trainer.step(toy_documents(0));
  BOOST_TEST((r.weights() == untouched.weights()));
}

BOOST_AUTO_TEST_CASE(a_step_without_documents_is_refused) {
  run<tf::cpu_exec<float>> r(quick(5));
  fails_saying<tf::config_error>([&] { r.trainer.step({}); }, {"step 0", "no documents"});
}

BOOST_AUTO_TEST_CASE(a_document_the_model_cannot_read_is_refused_before_anything_changes) {
  auto options = quick(5);
  options.micro_batches = 2;
  run<tf::cpu_exec<float>> r(options), untouched(options);
  BOOST_CHECK_THROW(r.trainer.step({{tf::text{{5}}}, {tf::text{{10}}}}), tf::shape_error);
  r.trainer.step(toy_documents(0));
  untouched.trainer.step(toy_documents(0));
  BOOST_TEST((r.weights() == untouched.weights()));
}
