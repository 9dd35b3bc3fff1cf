// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_emoji_program
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>

#include "emoji/support/program.hpp"
#include "files.hpp"
#include "small_emoji.hpp"

using emoji::index_t;
namespace tt = boost::test_tools;

namespace {

/// The smallest models, trained for a moment.
emoji::settings tiny(const std::filesystem::path& out) {
  emoji::settings s;
  s.out = out;
  s.codec = "linear";
  s.classifier.steps = s.autoencoder.steps = s.drawer.steps = 6;
  s.drawer.pairs = 4;
  s.drawer.layers = 1;
  s.drawer.width = 32;
  s.drawer.heads = 2;
  s.draws.steps = 2;
  s.drawn = 8;
  return s;
}

std::string bytes_of(const emoji::stage& s) { return support::read_file(s.file); }

void check_finite(const transfusion::bootstrap_result& r) {
  for (const double v : {r.value, r.low, r.high, r.standard_error}) BOOST_TEST(std::isfinite(v));
}

struct broken_off {};

/// Throws in the middle of a stage's training, after a checkpoint.
void break_off(emoji::settings& s, const std::string& stage) {
  s.observe = [stage](const emoji::stage& of, index_t step) {
    if (of.file.stem() == stage && step == 3) throw broken_off();
  };
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_program_trains_its_stages_once_and_reports) {
  const files::temporary_folder folder;
  const emoji::data d = small_data();
  support::cpu_policy e(1);
  emoji::settings s = tiny(folder / "run");
  s.codec = "both";
  std::map<std::string, index_t> steps;
  s.observe = [&](const emoji::stage& of, index_t) { ++steps[of.file.stem().string()]; };
  const emoji::findings f = run(e, d, s, "./run emoji --tiny");
  BOOST_TEST((steps == std::map<std::string, index_t>{{"classifier", 6}, {"vae", 6}, {"linear", 6}, {"unet", 6}}));
  for (const double v : {f.accuracy_seen, f.accuracy_emoji, f.coder.psnr_seen, f.coder.psnr_emoji, f.coder.psnr_tones})
    BOOST_TEST(std::isfinite(v));
  BOOST_TEST(std::isfinite(f.coder.frechet.value));
  check_finite(f.coder.tone);
  BOOST_REQUIRE(f.drawers.size() == 2u);
  for (const emoji::drawer_findings& one : f.drawers) {
    for (const auto& r : {one.tone, one.ranked_seen, one.ranked_tones, one.ranked_emoji}) check_finite(r);
    BOOST_TEST(std::isfinite(one.frechet.value));
    BOOST_TEST(one.frechet.standard_error > 0);
    BOOST_TEST(one.training.steps == 6);
    BOOST_TEST(one.training.pictures >= 6 * 4);
    for (const auto* drawn : {&one.seen, &one.tones})
      for (const auto& picture : *drawn) BOOST_TEST((picture.shape == emoji::picture_shape));
  }
  const std::string text = support::read_file(s.out / "report.md");
  for (const char* name : {"rebuilt", "samples", "tones", "names", "documents-linear", "documents-unet", "loss"}) {
    BOOST_TEST(text.find(std::string(name) + ".png") != text.npos);
    BOOST_TEST(std::filesystem::file_size(s.out / (std::string(name) + ".png")) > 500u);
  }
  for (const char* name : {"classifier", "vae", "linear", "unet"}) {
    BOOST_TEST(std::filesystem::exists(s.out / (std::string(name) + ".safetensors")));
    BOOST_TEST(!std::filesystem::exists(s.out / (std::string(name) + ".part")));
  }

  steps.clear();
  run(e, d, s, "./run emoji --tiny");
  BOOST_TEST(steps.empty());
  BOOST_TEST(support::read_file(s.out / "report.md") == text);
}

BOOST_AUTO_TEST_CASE(a_stage_that_is_broken_off_ends_as_one_in_one_go) {
  const files::temporary_folder folder;
  const emoji::data d = small_data();
  support::cpu_policy e(1);
  emoji::settings whole = tiny(folder / "whole"), broken = tiny(folder / "broken");
  run(e, d, whole, "");
  for (const char* stage : {"classifier", "vae", "linear"}) {
    break_off(broken, stage);
    BOOST_CHECK_THROW(run(e, d, broken, ""), broken_off);
    BOOST_TEST(std::filesystem::exists(broken.out / (std::string(stage) + ".part")));
  }
  std::vector<index_t> steps;
  broken.observe = [&](const emoji::stage&, index_t step) { steps.push_back(step); };
  run(e, d, broken, "");
  BOOST_TEST(steps == (std::vector<index_t>{3, 4, 5}), tt::per_element());
  const auto stages = [](const emoji::settings& s) {
    return std::vector<emoji::stage>{s.classifier_stage(), s.vae_stage(), s.drawer_stage("linear")};
  };
  for (std::size_t i = 0; i < 3; ++i) {
    const emoji::stage a = stages(whole)[i], b = stages(broken)[i];
    BOOST_TEST((bytes_of(a) == bytes_of(b)), b.file << " is not that of a training in one go");
    BOOST_TEST(emoji::stage_summary::of(a).pictures == emoji::stage_summary::of(b).pictures);
  }
}
