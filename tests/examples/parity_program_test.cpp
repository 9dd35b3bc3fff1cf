// SPDX-License-Identifier: Apache-2.0
// Real trainings at their smallest, broken off and not, and the whole program.
#define BOOST_TEST_MODULE examples_parity_program
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>

#include "files.hpp"
#include "parity/support/checkpoint.hpp"
#include "parity/support/program.hpp"
#include "parity/support/report.hpp"
#include "parity/support/trial.hpp"

using namespace parity;
using files::check_throws;
namespace tt = boost::test_tools;

namespace {

/// Settings of which a run takes seconds: nothing is learnt.
settings smallest(const std::filesystem::path& out) {
  settings s;
  s.out = out.string();
  s.device.threads = 1;
  s.sizes = {"1x16x2"};
  s.budgets = {2000, 4000};
  s.pairs = 4;
  s.coder_channels = 8;
  s.coder_steps = 6;
  s.coder_scenes = 4;
  s.codes = 16;
  s.read = s.drawn = 20;
  s.image_steps = 2;
  s.eyes_scenes = 512;
  s.eyes_epochs = 1;
  s.compared = 64;
  s.embedder_steps = 2;
  return s;
}

/// Autoencoders that need no training: latents and codes of a scene's brightness.
coder made_up_coder(tf::image_shape shape, float codes) {
  const auto encode = [=](const std::vector<tf::image>& pictures) {
    std::vector<tf::image> items;
    for (const tf::image& p : pictures) {
      items.push_back({shape, std::vector<float>(static_cast<std::size_t>(shape.size()))});
      for (std::size_t i = 0; i < items.back().values.size(); ++i) {
        const float v = p.values[i * p.values.size() / items.back().values.size()];
        items.back().values[i] = codes > 0 ? std::round((v + 1) / 2 * (codes - 1)) : v;
      }
    }
    return items;
  };
  const auto decode = [](const std::vector<tf::image>& items) {
    std::vector<tf::image> pictures;
    for (const tf::image& item : items) {
      pictures.push_back({{3, 32, 32}, std::vector<float>(3 * 32 * 32)});
      for (std::size_t i = 0; i < pictures.back().values.size(); ++i)
        pictures.back().values[i] = std::tanh(item.values[i % item.values.size()]);
    }
    return pictures;
  };
  return {encode, decode};
}

/// Breaks a training off behind step `last`.
struct broken_off : std::runtime_error {
  using std::runtime_error::runtime_error;
};
step_watch breaking_after(index_t last) {
  return [=](index_t step, double) {
    if (step > last) throw broken_off("broken off");
  };
}

}  // namespace

BOOST_AUTO_TEST_CASE(exchanged_pictures_stand_beside_the_next_prompt) {
  std::vector<scenes::drawn_picture> drawn;
  for (index_t i = 0; i < 4; ++i)
    drawn.push_back({single_prompt(i), {{1, 1, 1}, std::vector<float>(1, static_cast<float>(i))}});
  const auto other = exchanged(drawn, 1);
  for (std::size_t i = 0; i < 4; ++i) {
    BOOST_TEST((other[i].asked == drawn[(i + 1) % 4].asked));
    BOOST_TEST(other[i].picture.values == drawn[i].picture.values);
    BOOST_TEST((exchanged(drawn, 2)[i].asked.nouns.front().tint.has_value() == (i % 2 == 1)));
  }
}

BOOST_AUTO_TEST_CASE(a_training_that_was_broken_off_comes_to_the_same) {
  const files::temporary_folder folder;
  settings s = smallest(folder.path());
  s.budgets = {4000};
  BOOST_TEST(s.steps(4000) == 13);  // a checkpoint every two steps
  support::cpu_policy e(1);
  eyes seen(s);
  const coder vae = made_up_coder(s.latent_shape(), 0), vq = made_up_coder(s.code_shape(), 16);
  const corpus data(s, vae, vq);
  for (const planned& p : grid(s)) {
    const auto run = [&](const support::json_store& store, const step_watch& watch) {
      const lab all{s, data, seen, vae, vq, store};
      return p.who == family::transfusion ? run_transfusion(e, all, p, watch) : run_chameleon(e, all, p, watch);
    };
    const support::json_store at_once(folder / "at_once"), in_parts(folder / "in_parts");
    std::vector<index_t> steps;
    const step_watch count = [&](index_t step, double) { steps.push_back(step); };
    auto whole = run(at_once, count);
    BOOST_TEST(steps.size() == 13u);
    BOOST_CHECK_THROW(run(in_parts, breaking_after(7)), broken_off);
    BOOST_TEST(std::filesystem::exists(checkpoint_file(in_parts, p)));

    settings other = s;
    other.rate = 1;
    check_throws<tf::config_error>([&] { finished(other, in_parts); },
                                   {p.name() + ".part.safetensors", "rate", "found 0.002", "expected 1.0"});
    steps.clear();
    auto rest = run(in_parts, count);
    BOOST_TEST(steps.front() == 7);
    BOOST_TEST(steps.size() == 7u);
    BOOST_TEST(rest.measures["seconds"] > 0);
    for (result* r : {&whole, &rest}) r->measures.erase("seconds");
    BOOST_TEST(rest.to_json() == whole.to_json());

    steps.clear();  // broken off while it was measured
    rest = run(in_parts, count);
    BOOST_TEST(steps.empty());
    rest.measures.erase("seconds");
    BOOST_TEST(rest.to_json() == whole.to_json());
    BOOST_CHECK_NO_THROW(finished(s, in_parts));  // and may be so again
    files::put(checkpoint_file(in_parts, p), "no checkpoint");
    BOOST_CHECK_THROW(finished(s, in_parts), tf::format_error);
    std::filesystem::remove(checkpoint_file(in_parts, p));
  }
}

BOOST_AUTO_TEST_CASE(autoencoders_that_were_broken_off_come_to_the_same) {
  const files::temporary_folder folder;
  const settings s = smallest(folder.path());
  support::cpu_policy e(1);
  eyes seen(s);
  const support::json_store at_once(folder / "at_once"), in_parts(folder / "in_parts");
  vae_coder(e, s, at_once, seen);
  vq_coder(e, s, at_once, seen);
  BOOST_CHECK_THROW(vae_coder(e, s, in_parts, seen, breaking_after(4)), broken_off);
  BOOST_CHECK_THROW(vq_coder(e, s, in_parts, seen, breaking_after(4)), broken_off);
  settings other = s;
  other.coder_rate = 1;
  for (const char* name : {vae_name, vq_name}) {
    BOOST_TEST(!finished_coder(s, in_parts, name));
    check_throws<tf::config_error>([&] { finished_coder(other, in_parts, name); },
                                   {std::string(name) + ".part.json", "coder_rate", "found 0.001", "expected 1.0"});
  }
  std::vector<index_t> steps;
  const step_watch count = [&](index_t step, double) { steps.push_back(step); };
  vae_coder(e, s, in_parts, seen, count);
  vq_coder(e, s, in_parts, seen, count);
  BOOST_TEST((steps == std::vector<index_t>{5, 6, 5, 6}));
  for (const char* name : {"vae.json", "vae.safetensors", "vq_vae.json", "vq_vae.safetensors"})
    BOOST_TEST(support::read_file(in_parts.folder() / name) == support::read_file(at_once.folder() / name), name);
  for (const auto& file : std::filesystem::directory_iterator(in_parts.folder()))
    BOOST_TEST(file.path().string().find(".part") == std::string::npos, file.path());
}

// The whole program at its smallest, and what a second run does.
BOOST_AUTO_TEST_CASE(the_program_goes_from_nothing_to_a_report) {
  const files::temporary_folder folder;
  const settings s = smallest(folder.path());
  run(s);
  const auto runs = folder / "runs";
  const auto files_of = [&] {
    std::map<std::string, std::string> all;
    for (const auto& file : std::filesystem::directory_iterator(runs))
      all[file.path().filename()] = support::read_file(file.path());
    return all;
  };
  const auto left = files_of();
  std::set<std::string> names, expected{"real.json",   "vae.json",   "vae.png",           "vae.safetensors",
                                        "vq_vae.json", "vq_vae.png", "vq_vae.safetensors"};
  for (const auto& [name, bytes] : left) names.insert(name);
  for (const planned& p : grid(s)) expected.insert({p.name() + ".json", p.name() + ".png"});
  BOOST_TEST(names == expected, tt::per_element());

  const support::json_store store(runs);
  for (const auto& r : finished(s, store)) {
    BOOST_REQUIRE(r);
    for (const measure& m : measures()) BOOST_TEST(std::isfinite(r->measures.at(m.name)), m.name);
    for (const char* m : {"cider", "ranked", "similarity", "judged", "right"}) {
      const auto at = [&](const char* end) { return r->measures.at(std::string(m) + end); };
      BOOST_TEST((at("_low") <= at("") && at("") <= at("_high") && at("_gain_low") <= at("_high")), m);
    }
    BOOST_TEST(r->measures.at("ranked_gain_low") == r->measures.at("ranked_low") - 0.1, tt::tolerance(1e-9));
    BOOST_TEST(r->measures.at("frechet_error") > 0);
  }
  const std::string report = support::read_file(folder / "report.md");
  BOOST_TEST(report.find("nan") == std::string::npos);
  for (const char* name : {"samples.png", "reconstructions.png", "perplexity.png", "frechet.png"})
    BOOST_TEST(std::filesystem::exists(folder / name), name);

  run(s);  // all is there
  BOOST_TEST(files_of() == left);
  BOOST_TEST(support::read_file(folder / "report.md") == report);

  // A result that is gone is made again, of the autoencoders that are there.
  const auto gone = grid(s).back();
  std::filesystem::remove(store.file(gone.name()));
  run(s);
  const auto again = files_of();
  for (const auto& [name, bytes] : left)
    if (name != gone.name() + ".json") BOOST_TEST(again.at(name) == bytes, name);
  BOOST_TEST(support::read_file(folder / "report.md") == report);
}
