// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_emoji
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>

#include "emoji/support/coder.hpp"
#include "emoji/support/drawer.hpp"
#include "emoji/support/measure.hpp"
#include "emoji/support/program.hpp"
#include "emoji/support/report.hpp"
#include "emoji/support/stage_run.hpp"
#include "files.hpp"
#include "small_emoji.hpp"
#include "transfusion/core/error.hpp"

using namespace support;
using files::check_throws;
namespace tt = boost::test_tools;

namespace {

std::vector<transfusion::image> marked_latents(const emoji::data& d) {
  std::vector<transfusion::image> latents;
  for (std::size_t i = 0; i < d.items().size(); ++i) latents.push_back({{1, 1, 1}, {static_cast<float>(i)}});
  return latents;
}

}  // namespace

BOOST_AUTO_TEST_CASE(nothing_held_out_is_in_a_training_document) {
  const emoji::data d = small_data();
  BOOST_TEST(d.items().size() == 6u * 6 + 45);
  BOOST_TEST(d.bases().size() == 6u);
  BOOST_TEST(d.held_out_tones().size() == 3u);  // of every second base, another tone each
  std::set<index_t> tones;
  for (index_t i : d.held_out_tones()) {
    tones.insert(d.at(i).tone);
    BOOST_TEST(d.toned(d.at(i).base)[static_cast<std::size_t>(d.at(i).tone)] == i);
  }
  BOOST_TEST(tones.size() == 3u);
  BOOST_TEST(d.held_out_emoji().size() == 2u);
  BOOST_TEST(d.training().size() == d.items().size() - 5);

  const auto latents = marked_latents(d);
  const emoji::corpus c(d, latents);
  std::set<index_t> seen;
  index_t pairs = 0, sentences = 0, name_first = 0;
  for (index_t step = 0; step < 40; ++step)
    for (const auto& document : c.documents(step, 16, 1)) {
      std::vector<index_t> shown;
      for (const auto& s : document.segments)
        if (const auto* im = std::get_if<transfusion::image>(&s)) shown.push_back(static_cast<index_t>(im->values[0]));
      seen.insert(shown.begin(), shown.end());
      if (shown.size() == 2) {
        ++sentences;
        BOOST_TEST(document.segments.size() == 5u);
        const auto& told = std::get<transfusion::text>(document.segments[4]).tokens;
        BOOST_TEST(c.words().decode(told) ==
                   c.words().decode(c.text(": " + d.at(shown[0]).name + " and " + d.at(shown[1]).name).tokens));
      } else {
        ++pairs;
        const bool first = std::holds_alternative<transfusion::text>(document.segments[0]);
        name_first += first;
        BOOST_TEST(std::get<transfusion::text>(document.segments[first ? 0 : 1]).tokens == c.name(shown[0]).tokens);
      }
    }
  for (const emoji::item& i : d.items()) BOOST_TEST(seen.contains(&i - d.items().data()) == !i.held_out);
  BOOST_TEST(sentences > 30);
  BOOST_TEST(sentences < 100);
  BOOST_TEST(static_cast<double>(name_first) / static_cast<double>(pairs) == 0.75, tt::tolerance(0.1));
}

BOOST_AUTO_TEST_CASE(tones_are_read_from_the_skin_alone) {
  const emoji::data d = small_data();
  const index_t base = d.bases()[1];
  const emoji::tone_reader read(d, base);
  const double half = 0.5 * emoji::side * emoji::side;
  BOOST_TEST(static_cast<double>(read.skin().size()) == half, tt::tolerance(0.04));
  for (index_t t = 0; t < 5; ++t) {
    transfusion::image picture = d.picture(d.toned(base)[static_cast<std::size_t>(t)]);
    for (std::size_t at = 0; at < picture.values.size(); ++at)  // other skin beside the skin, and a little noise
      picture.values[at] += at % emoji::side >= emoji::side / 2 + 1 ? -1.5f : 0.04f;
    BOOST_TEST(read.tone(picture) == t);
  }
  std::vector<transfusion::image> wrong(3, d.picture(d.toned(base)[4]));
  std::vector<double> expected;
  for (index_t i : d.held_out_tones()) expected.push_back(d.at(i).tone == 4 ? 1 : 0);
  BOOST_TEST(tones_right(d, d.held_out_tones(), wrong) == expected, tt::per_element());
  check_throws<transfusion::config_error>([&] { emoji::tone_reader(d, d.training().back()); }, {"five skin tones"});
}

BOOST_AUTO_TEST_CASE(ten_names_are_ten_with_the_right_one_first) {
  const emoji::data d = small_data();
  for (const auto& list : {d.training(), d.held_out_emoji(), d.held_out_tones()})
    for (index_t i : list) {
      const auto names = ten_names(d, i, 1);
      BOOST_TEST(names.front() == i);
      BOOST_TEST(std::set<index_t>(names.begin(), names.end()).size() == 10u);
      std::set<index_t> bases;
      for (index_t n : names) bases.insert(d.at(n).base);
      if (d.at(i).base >= 0) BOOST_TEST(bases.size() == 2u);
    }
}

BOOST_AUTO_TEST_CASE(views_keep_colours_and_stay_in_range) {
  const emoji::data d = small_data();
  std::set<std::vector<float>> views;
  for (std::uint64_t n = 0; n < 6; ++n) {
    const auto v = d.view(0, {1, 2, transfusion::stream::test}, n);
    BOOST_TEST((v.shape == emoji::picture_shape));
    const auto [low, high] = std::minmax_element(v.values.begin(), v.values.end());
    BOOST_TEST(*low == 10 / 127.5f - 1, tt::tolerance(1e-5f));
    BOOST_TEST(*high == 1.0f, tt::tolerance(1e-5f));
    views.insert(v.values);
  }
  BOOST_TEST(views.size() == 6u);
}

BOOST_AUTO_TEST_CASE(stages_of_other_settings_are_refused_before_work) {
  const files::temporary_folder folder;
  const emoji::data d = small_data();
  emoji::settings s;
  s.out = folder.path();
  support::cpu_policy e(1);
  emoji::classifier<support::cpu_policy> judge(e, 9, 1);
  judge.save(s.classifier_stage());
  BOOST_CHECK_NO_THROW(check_folder(s, d));
  s.classifier.minutes += 1;
  check_throws<transfusion::config_error>([&] { check_folder(s, d); },
                                          {"classifier.safetensors", "2.00 minutes", "3.00 minutes", "--overwrite"});
  s.classifier.minutes -= 1;

  // A model without its autoencoder.
  const emoji::stage linear = s.drawer_stage("linear");
  transfusion::safetensors_writer(linear.file, {}, linear.metadata()).commit();
  check_throws<transfusion::config_error>([&] { check_folder(s, d); }, {"linear.safetensors", "vae.safetensors"});

  // An autoencoder of other channels than the codec's.
  transfusion::vae<support::cpu_policy> other(e, emoji::coder_sizes(8), 1);
  const transfusion::latent_scale scale{std::vector<double>(8, 0.0), std::vector<double>(8, 1.0)};
  s.vae = folder / "other.safetensors";
  save_autoencoder(s.vae, other);
  check_throws<transfusion::config_error>([&] { emoji::require_fitting(s.vae, 8); }, {"no scale"});
  save_autoencoder(s.vae, other, scale);
  BOOST_CHECK_NO_THROW(emoji::require_fitting(s.vae, 8));
  check_throws<transfusion::config_error>([&] { check_folder(s, d); }, {"other.safetensors", "found 8", "expected 4"});

  s.vae.clear();
  s.overwrite = true;
  BOOST_CHECK_NO_THROW(check_folder(s, d));
  BOOST_TEST(!std::filesystem::exists(linear.file));
}

BOOST_AUTO_TEST_CASE(a_model_of_another_autoencoder_or_other_words_is_refused) {
  const files::temporary_folder folder;
  const emoji::data d = small_data();
  emoji::settings s;
  s.out = folder.path();
  support::cpu_policy e(1);
  const auto put_vae = [&](std::uint64_t seed, double deviation) {
    const transfusion::latent_scale scale{std::vector<double>(4, 0.0), std::vector<double>(4, deviation)};
    transfusion::vae<support::cpu_policy> model(e, emoji::coder_sizes(4), seed);
    save_autoencoder(s.vae_stage().file, model, scale, s.vae_stage().metadata());
  };
  put_vae(1, 1);
  const emoji::stage linear = s.drawer_stage("linear");
  const auto of = emoji::origin::of(emoji::coder<support::cpu_policy>(e, s.vae_stage().file), vocabulary_of(d));
  const auto put_model = [&](const std::filesystem::path& file, const emoji::origin& says) {
    auto metadata = says.metadata();
    metadata.merge(linear.metadata());
    transfusion::safetensors_writer(file, {}, metadata).commit();
  };
  put_model(linear.file, of);
  BOOST_CHECK_NO_THROW(check_folder(s, d));
  for (const auto& [seed, deviation] : {std::pair{2, 1.0}, {1, 2.0}}) {
    put_vae(static_cast<std::uint64_t>(seed), deviation);
    check_throws<transfusion::config_error>(
        [&] { check_folder(s, d); },
        {"linear.safetensors", "vae.safetensors", "autoencoder: found " + of.autoencoder, "--overwrite"});
  }
  put_vae(1, 1);
  const emoji::origin other{of.autoencoder, "0123456789abcdef"};
  put_model(linear.file, other);
  check_throws<transfusion::config_error>(
      [&] { check_folder(s, d); },
      {"linear.safetensors", "vocabulary: found 0123456789abcdef, expected " + of.vocabulary, "names"});
  // The same of a model whose training was broken off.
  std::filesystem::remove(linear.file);
  emoji::stage_summary{.steps = 9}.save(linear);
  put_model(linear.part(), of);
  BOOST_CHECK_NO_THROW(check_folder(s, d));
  put_model(linear.part(), other);
  check_throws<transfusion::config_error>([&] { check_folder(s, d); }, {"linear.part", other.vocabulary});
}

BOOST_AUTO_TEST_CASE(a_training_that_was_broken_off_keeps_its_steps_and_settings) {
  const files::temporary_folder folder;
  const emoji::data d = small_data();
  emoji::settings s;
  s.out = folder.path();
  const auto steps_of = [&](index_t decided) {
    return emoji::stage_run(s.vae_stage(), s, [&] { return decided; }).steps();
  };
  BOOST_TEST(steps_of(40) == 40);
  BOOST_TEST(steps_of(50) == 50);  // nothing was kept of the first
  emoji::stage_run first(s.vae_stage(), s, [] { return 60; });
  BOOST_TEST(first.checkpoint_every() == 3);
  for (index_t step = 0; step < 4; ++step) first.did(step, 5);
  files::put(s.vae_stage().part(), "a checkpoint of 3 steps");
  emoji::stage_run second(s.vae_stage(), s, []() -> index_t { throw std::logic_error("decided already"); });
  BOOST_TEST(second.goes_on());
  BOOST_TEST(second.steps() == 60);
  check_throws<transfusion::config_error>([&] { check_folder(s, d); }, {"vae.part", "classifier.safetensors"});
  support::cpu_policy e(1);
  emoji::classifier<support::cpu_policy>(e, 2, 1).save(s.classifier_stage());
  BOOST_CHECK_NO_THROW(check_folder(s, d));
  for (index_t step = 0; step < 6; ++step) second.did(step, 5);  // the first four again: the checkpoint is older
  BOOST_TEST(emoji::stage_summary::of(s.vae_stage()).pictures == 30);

  std::filesystem::remove(s.classifier_stage().file);
  s.seed = 7;
  const auto refused = {std::string_view("vae.part"), std::string_view("seed=1"), std::string_view("seed=7")};
  check_throws<transfusion::config_error>([&] { check_folder(s, d); }, refused);
  check_throws<transfusion::config_error>([&] { steps_of(40); }, refused);
  s.overwrite = true;
  check_folder(s, d);
  BOOST_TEST(steps_of(40) == 40);

  s.seed = 1;
  second.end(123);
  const auto all = emoji::stage_summary::of(s.vae_stage());
  BOOST_TEST(all.steps == 60);
  BOOST_TEST(all.pictures == 30);
  BOOST_TEST(all.parameters == 123);
  std::filesystem::remove(s.vae_stage().beside("json"));
  files::put(s.vae_stage().part(), "a checkpoint that nothing is known of");
  check_throws<transfusion::config_error>([&] { s.vae_stage().is_begun(); }, {"vae.part", "no settings", "seed=1"});
}

BOOST_AUTO_TEST_CASE(quick_leaves_what_is_given) {
  emoji::settings s;
  CLI::App app("", "emoji");
  s.add_to(app);
  app.parse(std::vector<std::string>{"0.5", "--vae-minutes", "--quick"});  // the last first
  BOOST_TEST(s.autoencoder.minutes == 0.5);
  BOOST_TEST(s.drawer.minutes < emoji::settings{}.drawer.minutes);
  BOOST_TEST(s.drawn < emoji::settings{}.drawn);
}

BOOST_AUTO_TEST_CASE(a_classifier_comes_back_from_its_file) {
  const files::temporary_folder folder;
  const emoji::data d = small_data();
  support::cpu_policy e(1);
  const emoji::stage to{folder / "classifier.safetensors", "test"};
  emoji::classifier<support::cpu_policy> first(e, 2, 1), second(e, 2, 2);
  const std::vector<transfusion::image> pictures{d.picture(0), d.picture(8)};
  first.save(to);
  const auto wanted = first.look(pictures).features;
  BOOST_TEST(second.look(pictures).features[0] != wanted[0], tt::per_element());
  second.load(to.file);
  for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(second.look(pictures).features[i] == wanted[i], tt::per_element());
}

BOOST_AUTO_TEST_CASE(the_report_says_what_was_found) {
  const files::temporary_folder folder;
  const emoji::data d = small_data();
  emoji::settings s;
  s.out = folder.path();
  const emoji::test_items items(d, 12);
  BOOST_TEST(items.seen.size() == 12u);
  BOOST_TEST(items.tones.size() == 3u);
  emoji::findings f;
  f.command = "./run emoji --some";
  f.coder.training = {.steps = 77, .pictures = 308, .parameters = 1234, .seconds = 90};
  f.coder.psnr_emoji = 24.31;
  f.coder.scale = {{0.25}, {1.5}};
  const auto pictures_of = [&](const std::vector<index_t>& list) {
    std::vector<transfusion::image> pictures;
    for (index_t i : list) pictures.push_back(d.picture(i));
    return pictures;
  };
  f.coder.emoji = pictures_of(items.emoji);
  f.coder.tones = pictures_of(items.tones);
  emoji::drawer_findings one;
  one.codec = "linear";
  one.frechet = {.value = 3.14, .standard_error = 0.271};
  one.tone = {.value = 0.5, .low = 0.25, .high = 0.75};
  one.seen = pictures_of(items.seen);
  one.tones = pictures_of(items.tones);
  one.named = {items.seen[0], items.tones[0]};
  one.names = {d.at(items.seen[0]).name, "wrong"};
  one.told = one.read = {std::string("i ate a"), support::grid_cell{one.seen[0].values, one.seen[0].shape}};
  f.drawers.push_back(one);
  files::put(s.out / "linear.csv", "step,text,image\n0,5.0,1.0\n1,4.0,0.9\n");
  save_report(s, d, items, f);
  const std::string text = support::read_file(s.out / "report.md");
  for (const char* part : {"./run emoji --some", "24.3 dB", "0.250, 1.500", "50.0 % (25.0 to 75.0)", "3.14 ± 0.27",
                           "1.5 minutes", "documents-linear.png", "20 %"})
    BOOST_TEST(text.find(part) != text.npos, part << " is not in the report");
  for (const char* name : {"rebuilt", "samples", "tones", "names", "documents-linear", "loss"})
    BOOST_TEST((std::filesystem::exists(s.out / (std::string(name) + ".png"))));
}
