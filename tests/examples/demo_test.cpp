// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_demo
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "demo/support/demo_settings.hpp"
#include "files.hpp"

namespace {

using arguments = std::vector<std::string>;

/// What the demo with these arguments is told.
fashion::demo_settings settings_of(arguments given) {
  fashion::demo_settings s;
  CLI::App app("", "demo");
  s.add_to(app);
  std::reverse(given.begin(), given.end());
  app.parse(std::move(given));
  return s;
}

/// The demo refuses these arguments, and names the option at fault.
void refused(const arguments& given, const std::string& option) {
  BOOST_CHECK_EXCEPTION(settings_of(given), CLI::ParseError, [&](const CLI::ParseError& fault) {
    const std::string text = fault.what();
    BOOST_TEST(text.find(option) != text.npos, option << " is not in: " << text);
    return true;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(without_arguments_it_trains_by_the_clock) {
  const auto s = settings_of({});
  BOOST_TEST(s.training.steps == 0);
  BOOST_TEST(s.training.minutes == 5.5);
  BOOST_TEST(s.checkpoint.empty());
  BOOST_TEST(s.out == "demo");
  BOOST_TEST((s.common.device.where == support::device::cpu));
}

BOOST_AUTO_TEST_CASE(options_arrive) {
  const auto s = settings_of({"--steps", "9", "--resume", "--drawn", "13", "--image-steps", "1000", "--captioned", "2",
                              "--guidance", "1.5", "--device", "cuda", "--seed", "7", "--width", "64"});
  BOOST_TEST(s.training.steps == 9);
  BOOST_TEST(s.training.resume);
  BOOST_TEST(s.training.sizes().width == 64);
  BOOST_TEST(s.drawn_each == 13);
  BOOST_TEST(s.draws.steps == 1000);
  BOOST_TEST(s.draws.guidance == 1.5);
  BOOST_TEST(s.captioned == 2);
  BOOST_TEST(s.common.seed == 7u);
  BOOST_TEST((s.common.device.where == support::device::cuda));
}

BOOST_AUTO_TEST_CASE(numbers_outside_their_range_are_refused) {
  refused({"--steps", "-1"}, "--steps");
  for (const std::string option : {"--minutes", "--pairs", "--rate", "--layers", "--width", "--heads", "--patch"})
    refused({option, "0"}, option);
  for (const std::string value : {"12", "1001"}) refused({"--drawn", value}, "--drawn");
  for (const std::string value : {"0", "1001"}) refused({"--image-steps", value}, "--image-steps");
  for (const std::string value : {"1", "10001"}) refused({"--captioned", value}, "--captioned");
  refused({"--device", "gpu"}, "--device");
  refused({"--guidance", "much"}, "--guidance");
}

// How long a resumed run is must be said: the clock knows nothing of the steps before.
BOOST_AUTO_TEST_CASE(a_resumed_run_needs_its_steps) {
  refused({"--resume"}, "--steps");
  BOOST_TEST(settings_of({"--steps", "3", "--resume"}).training.resume);
}

BOOST_AUTO_TEST_CASE(a_trained_model_is_shown_and_not_trained) {
  const files::temporary_folder folder;
  const std::string there = files::put(folder / "model.safetensors", "x");
  BOOST_TEST(settings_of({"--checkpoint", there}).checkpoint == there);
  BOOST_TEST(settings_of({"--checkpoint", there, "--drawn", "20", "--seed", "2"}).checkpoint == there);
  refused({"--checkpoint", (folder / "none.safetensors").string()}, "none.safetensors");
  refused({"--checkpoint", there, "--steps", "5"}, "--checkpoint");
  refused({"--minutes", "1", "--checkpoint", there}, "--checkpoint");
}
