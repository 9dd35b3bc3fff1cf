// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_ablation
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <set>

#include "ablation/support/report.hpp"
#include "ablation/support/runner.hpp"
#include "files.hpp"
#include "support/strip.hpp"

using namespace ablation;
using files::check_throws;
namespace tt = boost::test_tools;

namespace {

result measured(const std::string& trial, std::uint64_t seed, double frechet) {
  return {trial, seed, {{"frechet", frechet}}, {}, {}, {}, {{"steps", 5}}};
}

claim frechet_claim(direction expected) { return {"b draws better", "somebody", "frechet", "a", "b", expected}; }

/// Twenty pictures of one grey each, two captions.
corpus greys() {
  std::vector<captioned> train, held_out;
  for (int i = 0; i < 20; ++i)
    (i % 4 == 3 ? held_out : train)
        .push_back({std::vector<std::uint8_t>(64, static_cast<std::uint8_t>(10 * i)), i % 2});
  return {"greys", {1, 8, 8}, {"a light grey", "a dark one"}, train, held_out};
}

settings tiny() {
  settings s;
  s.device.threads = 1;
  s.seeds = 2;
  s.steps = 3;
  s.pairs = 4;
  s.layers = 1;
  s.width = 8;
  s.heads = 2;
  s.drawn = 20;
  s.image_steps = 2;
  s.read = 4;
  return s;
}

experiment one_trial() { return {"one", "One trial", "Only to see it run.", {{"base", "the base", base_run()}}, {}}; }

settings parsed(std::vector<std::string> given) {
  settings s;
  CLI::App app("", "ablation");
  s.add_to(app, experiment_names());
  std::reverse(given.begin(), given.end());
  app.parse(std::move(given));
  return s;
}

void refused(const std::vector<std::string>& given, const std::string& option) {
  BOOST_CHECK_EXCEPTION(parsed(given), CLI::ParseError, [&](const CLI::ParseError& fault) {
    return std::string(fault.what()).find(option) != std::string::npos;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(mean_and_deviation_are_those_of_a_sample) {
  const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
  const spread s = spread_of(values);
  BOOST_TEST(s.mean == 5.0);
  BOOST_TEST(s.deviation == std::sqrt(32.0 / 7.0), tt::tolerance(1e-12));
  BOOST_TEST(s.error() == std::sqrt(32.0 / 7.0 / 8.0), tt::tolerance(1e-12));
  BOOST_TEST(s.text(2) == "5.00 ± 2.14");
  BOOST_TEST(s.text(1, 100) == "500.0 ± 213.8");
  BOOST_TEST(spread_of(std::span(values, 1)).text(1) == "2.0");
  BOOST_TEST(spread_of({}).text(1).empty());
}

BOOST_AUTO_TEST_CASE(a_claim_is_held_against_runs_of_the_same_seed) {
  // The seeds differ by far more than the trials; seed by seed the change is −2 ± 0.1.
  const std::vector<result> results = {measured("a", 1, 10), measured("b", 1, 7.9), measured("a", 2, 90),
                                       measured("b", 2, 88.1), measured("b", 3, 500)};
  const judgement falls = judged(frechet_claim(direction::falls), results);
  BOOST_TEST((falls.found == verdict::agrees));
  BOOST_TEST(falls.change.count == 2u);
  BOOST_TEST(falls.change.mean == -2.0, tt::tolerance(1e-9));
  BOOST_TEST(falls.change.error() == 0.1, tt::tolerance(1e-9));
  BOOST_TEST(falls.numbers.find("50.00 → 48.00, -2.00 ± 0.10") != std::string::npos, falls.numbers);
  BOOST_TEST((judged(frechet_claim(direction::rises), results).found == verdict::differs));
  // 2 ± 1.27 of fifty may be more than a twentieth, and may be less.
  BOOST_TEST((judged(frechet_claim(direction::stays), results).found == verdict::unclear));
}

BOOST_AUTO_TEST_CASE(a_change_within_the_spread_decides_nothing) {
  const std::vector<result> wide = {measured("a", 1, 10), measured("b", 1, 9), measured("a", 2, 10),
                                    measured("b", 2, 10.5)};
  BOOST_TEST((judged(frechet_claim(direction::falls), wide).found == verdict::unclear));
  BOOST_TEST((judged(frechet_claim(direction::rises), wide).found == verdict::unclear));
  BOOST_TEST(
      (judged(frechet_claim(direction::stays), wide).found == verdict::unclear));  // noise is no proof of nothing
  const std::vector<result> moved = {measured("a", 1, 10), measured("b", 1, 8), measured("a", 2, 10),
                                     measured("b", 2, 8.1)};
  BOOST_TEST((judged(frechet_claim(direction::stays), moved).found == verdict::differs));
  // Two seeds make a change sure at 12.7 standard errors: 0.95 of 10 with an error of 0.05 is, with 0.1 is not.
  for (const double half : {0.05, 0.1}) {
    const std::vector<result> some = {measured("a", 1, 10), measured("b", 1, 9.05 - half), measured("a", 2, 10),
                                      measured("b", 2, 9.05 + half)};
    const verdict expected = half < 0.07 ? verdict::agrees : verdict::unclear;
    BOOST_TEST((judged(frechet_claim(direction::falls), some).found == expected));
  }
  BOOST_TEST(judged(frechet_claim(direction::falls), wide).sentence.find("that way") != std::string::npos);
  BOOST_TEST(judged(frechet_claim(direction::rises), wide).sentence.find("the other way") != std::string::npos);
  BOOST_TEST(judged(frechet_claim(direction::stays), wide).sentence.find("leaves it open") != std::string::npos);
  // A change of no more than rounding goes no way.
  const std::vector<result> even = {measured("a", 1, 10), measured("b", 1, 11), measured("a", 2, 10),
                                    measured("b", 2, 9 - 1e-15)};
  BOOST_TEST(judged(frechet_claim(direction::falls), even).sentence.find("no change") != std::string::npos);
  const std::vector<result> single = {measured("a", 1, 10), measured("b", 1, 9)};
  BOOST_TEST((judged(frechet_claim(direction::falls), single).found == verdict::agrees));
  BOOST_TEST(judged(frechet_claim(direction::falls), single).sentence.find("one seed") != std::string::npos);
  BOOST_TEST((judged(frechet_claim(direction::falls), {}).found == verdict::missing));
}

BOOST_AUTO_TEST_CASE(two_measures_of_a_sweep_are_compared) {
  result r = measured("a", 1, 0);
  r.sweep = {{"ddpm", 4, 30, 0.1, ""}, {"ddpm", 100, 5, 0.8, ""}};
  claim c = frechet_claim(direction::rises);
  c.measure = "frechet:ddpm:100";
  c.to_measure = "frechet:ddpm:4";
  c.to = "a";
  const judgement j = judged(c, std::span(&r, 1));
  BOOST_TEST((j.found == verdict::agrees));
  BOOST_TEST(j.change.mean == 25.0);
  BOOST_TEST(r.measure("judged:ddpm:4").value() == 0.1);
  BOOST_TEST(!r.measure("frechet:ddim:4"));
  check_throws<tf::config_error>([] { measure_named("beauty"); }, {"beauty"});
}

BOOST_AUTO_TEST_CASE(results_come_back_as_they_were_stored) {
  const files::temporary_folder folder;
  const result_store store(folder / "runs");
  BOOST_TEST(!store.find("a", 2, {{"steps", 5}}));
  result r = measured("a", 2, 1.5);
  r.losses = {0.5, 0.25};
  r.sweep = {{"ddim", 10, 3.5, 0.75, "a-2-ddim-10.png"}};
  r.pictures = "a-2.png";
  store.put(r);
  const auto back = store.find("a", 2, {{"steps", 5}});
  BOOST_REQUIRE(back);
  BOOST_TEST(back->to_json() == r.to_json());
  BOOST_TEST(!store.find("a", 1, {{"steps", 5}}));
}

BOOST_AUTO_TEST_CASE(results_of_other_settings_and_broken_files_are_refused) {
  const files::temporary_folder folder;
  const result_store store(folder.path());
  store.put(measured("a", 1, 1.5));
  check_throws<tf::config_error>(
      [&] {
        store.find("a", 1, {{"steps", 6}});
      },
      {"a-1.json", "steps", "found 5", "expected 6", "--out"});
  check_throws<tf::config_error>(
      [&] {
        store.find("a", 1, {{"steps", 5}, {"width", 8}});
      },
      {"width", "found none", "expected 8"});
  check_throws<tf::config_error>([&] { store.find("a", 1, nlohmann::json::object()); }, {"steps", "expected none"});
  files::put(folder / "a-1.json", "{\"trial\": \"a\"");
  check_throws<tf::format_error>([&] { store.find("a", 1, {}); }, {"a-1.json", "JSON"});
  files::put(folder / "a-1.json", "{\"trial\": \"a\"}");
  check_throws<tf::format_error>([&] { store.find("a", 1, {}); }, {"a-1.json", "settings"});
  files::put(folder / "a-1.json", "{\"trial\": \"a\", \"settings\": {}}");
  check_throws<tf::format_error>([&] { store.find("a", 1, nlohmann::json::object()); }, {"a-1.json", "seed"});
}

BOOST_AUTO_TEST_CASE(documents_are_mostly_caption_first_and_a_function_of_the_seed) {
  const corpus c = greys();
  int caption_first = 0;
  std::multiset<float> seen;
  for (index_t step = 0; step < 100; ++step)
    for (const tf::document& d : c.documents(step, 15, 3)) {
      BOOST_REQUIRE(d.segments.size() == 2u);
      caption_first += std::holds_alternative<tf::text>(d.segments[0]);
      const std::size_t shown = std::holds_alternative<tf::text>(d.segments[0]) ? 1 : 0;
      seen.insert(std::get<tf::image>(d.segments[shown]).values[0]);
    }
  BOOST_TEST(caption_first > 1500 * 0.75);
  BOOST_TEST(caption_first < 1500 * 0.85);
  for (const captioned& t : c.train()) BOOST_TEST(seen.count(c.picture(t).values[0]) == 100u);  // once an epoch
  const auto again = c.documents(7, 15, 3), other = c.documents(7, 15, 4);
  const auto values_of = [](const tf::document& d) {
    return std::get<tf::image>(d.segments[std::holds_alternative<tf::text>(d.segments[0]) ? 1 : 0]).values;
  };
  bool differ = false;
  for (std::size_t i = 0; i < 15; ++i) {
    BOOST_TEST((values_of(again[i]) == values_of(c.documents(7, 15, 3)[i])));
    differ = differ || values_of(again[i]) != values_of(other[i]);
  }
  BOOST_TEST(differ);
}

BOOST_AUTO_TEST_CASE(captions_to_choose_from_to_draw_and_to_show) {
  const corpus c = greys();
  BOOST_TEST(c.candidates(0) == (std::vector<index_t>{1}), tt::per_element());  // all that are held out have one
  BOOST_TEST(c.to_draw(5) == (std::vector<index_t>{0, 1, 0, 1, 0}), tt::per_element());
  BOOST_TEST(c.to_show(5) == (std::vector<index_t>{0, 1}), tt::per_element());
  BOOST_TEST(c.short_caption(1) == "dark one");
  std::vector<std::string> names;
  std::vector<captioned> items;
  for (index_t i = 0; i < 40; ++i) {
    names.push_back("emoji " + std::to_string(i));
    items.push_back({std::vector<std::uint8_t>(64, 0), i});
  }
  const corpus many("many", {1, 8, 8}, names, items, items);
  BOOST_TEST(many.candidates(38) == (std::vector<index_t>{38, 39, 0, 1, 2, 3, 4, 5, 6, 7}), tt::per_element());
  BOOST_TEST(many.to_draw(20)[19] == 38);
  BOOST_TEST(many.to_show(20).size() == 10u);
  check_throws<tf::config_error>([&] { corpus("none", {1, 8, 8}, names, {}, items); }, {"none", "found 0"});
}

BOOST_AUTO_TEST_CASE(strips_of_pictures_come_back) {
  const files::temporary_folder folder;
  std::vector<tf::image> pictures;
  for (int n = 0; n < 3; ++n) {
    tf::image p{{3, 2, 4}, {}};
    for (int i = 0; i < 24; ++i) p.values.push_back(static_cast<float>(2 * ((37 * i + 11 * n) % 256) - 255) / 255.0f);
    pictures.push_back(p);
  }
  support::save_strip(folder / "strip.png", pictures);
  const auto back = support::read_strip(folder / "strip.png", {3, 2, 4});
  BOOST_REQUIRE(back.size() == 3u);
  for (std::size_t n = 0; n < 3; ++n) BOOST_TEST(back[n].values == pictures[n].values, tt::per_element());
  check_throws<tf::format_error>(
      [&] {
        support::read_strip(folder / "strip.png", {3, 2, 5});
      },
      {"strip.png", "2 x 12"});
}

BOOST_AUTO_TEST_CASE(real_pictures_are_close_to_themselves) {
  const corpus c = greys();
  const gallery g(c, 1);
  std::vector<tf::image> same, dark;
  for (const auto* items : {&c.train(), &c.held_out()})
    for (const captioned& t : *items) {
      same.push_back(c.picture(t));
      dark.push_back({c.shape(), std::vector<float>(64, -1.0f)});
    }
  BOOST_TEST(g.measure(same, c.to_draw(20)).frechet < 1e-6);
  BOOST_TEST(g.measure(dark, c.to_draw(20)).frechet > 1.0);
  BOOST_TEST(!g.measure(same, c.to_draw(20)).judged);  // too few to train a judge on
}

BOOST_AUTO_TEST_CASE(experiments_fit_together) {
  for (const data_set data : {data_set::fashion, data_set::emoji}) {
    settings s;
    s.data = data;
    const index_t side = data == data_set::fashion ? 28 : 32;
    std::map<std::string, nlohmann::json> sizes;
    for (const experiment& e : experiments(s)) {
      BOOST_TEST(!e.claims.empty(), e.name);
      std::set<std::string> names;
      for (const trial& t : e.trials) {
        BOOST_TEST(names.insert(t.name).second, t.name);
        BOOST_TEST(side % t.sizes.patch == 0, t.name);
        // Trials of one name are one run, whatever experiment they stand in.
        const auto known = sizes.emplace(t.name, settings_of(s, t)).first;
        BOOST_TEST(known->second == settings_of(s, t), t.name);
      }
      for (const claim& c : e.claims) {
        BOOST_TEST(names.count(c.from) == 1u, c.text);
        BOOST_TEST(names.count(c.to) == 1u, c.text);
        BOOST_CHECK_NO_THROW(measure_named(c.measure));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(runs_shared_by_experiments_are_planned_once_seed_by_seed) {
  const auto list = experiments({});
  const auto runs = plan(list, 2);
  std::set<std::pair<std::string, std::uint64_t>> named;
  for (const planned_run& p : runs) BOOST_TEST(named.insert({p.what->name, p.seed}).second, p.what->name);
  BOOST_TEST(runs.front().seed == 1u);
  BOOST_TEST(runs[runs.size() / 2 - 1].seed == 1u);
  BOOST_TEST(runs[runs.size() / 2].seed == 2u);
  BOOST_TEST(runs.back().seed == 2u);
}

BOOST_AUTO_TEST_CASE(what_is_finished_is_not_run_again) {
  const files::temporary_folder folder;
  const result_store store(folder.path());
  const corpus c = greys();
  const settings s = tiny();
  const std::vector<experiment> list{one_trial()};
  const auto first = run_missing(list, s, c, store);
  BOOST_REQUIRE(first.size() == 3u);  // two seeds, and the real pictures
  // A mark in a stored result shows that it was read; the other one is taken away, and comes back as it was.
  const auto changed = [&] {
    result r = *store.find("base", 1, settings_of(s, list[0].trials[0]));
    r.measures["mark"] = 1;
    return r;
  }();
  store.put(changed);
  std::filesystem::remove(folder / "base-2.json");
  const auto second = run_missing(list, s, c, store);
  BOOST_REQUIRE(second.size() == 3u);
  BOOST_TEST(second[0].measures.at("mark") == 1.0);
  for (const std::string name : {"denoising", "frechet", "perplexity", "ranked", "gflop", "pictures"})
    BOOST_TEST(second[1].measures.at(name) == first[1].measures.at(name), name);
  BOOST_TEST(second[1].losses == first[1].losses, tt::per_element());
  BOOST_TEST(first[0].losses[0] != first[1].losses[0]);  // seeds differ
  settings other = s;
  other.steps = 4;
  check_throws<tf::config_error>([&] { run_missing(list, other, c, store); }, {"base-1.json", "steps"});

  save_report(folder.path(), folder.path(), list, s, c, second);
  const std::string report = support::read_file(folder / "report.md");
  for (const std::string part : {"One trial", "the base", "one_pictures.png", "one_losses.png", "greys"})
    BOOST_TEST(report.find(part) != std::string::npos, part);
  BOOST_TEST(std::filesystem::exists(folder / "one_pictures.png"));
}

// The U-Net, flows, sweeps of solvers and weights by modality, at the smallest size.
BOOST_AUTO_TEST_CASE(every_kind_of_trial_runs) {
  const files::temporary_folder folder;
  const result_store store(folder.path());
  settings s = tiny();
  s.seeds = 1;
  s.unet_channels = 8;
  s.unet_blocks = 1;
  const experiment u{"u", "The U-Net", "", {{"unet", "U-Net", unet_run()}}, {}};
  const std::vector<experiment> list{u, solvers(s), flow(s), routing(), lambda()};
  for (const result& r : run_missing(list, s, greys(), store)) {
    if (r.trial == real_pictures) continue;
    BOOST_TEST(std::isfinite(r.measures.at("denoising")), r.trial);
    BOOST_TEST(r.measures.at("gflop") > 0, r.trial);
    BOOST_TEST((r.measure("frechet").has_value() || !r.sweep.empty()), r.trial);
    for (const auto& p : r.sweep) BOOST_TEST(std::isfinite(p.frechet), r.trial << " " << p.solver);
  }
}

BOOST_AUTO_TEST_CASE(tables_show_what_was_measured) {
  experiment e{"two", "Two", "", {{"a", "first", {}}, {"b", "second", {}}}, {frechet_claim(direction::falls)}};
  std::vector<result> results = {measured("a", 1, 10), measured("b", 1, 7.9), measured("a", 2, 9),
                                 measured("b", 2, 7.1)};
  const std::string table = measures_table(e, results).text();
  BOOST_TEST(table.find("9.50 ± 0.71") != std::string::npos, table);
  BOOST_TEST(table.find("Fréchet ↓") != std::string::npos, table);
  BOOST_TEST(table.find("denoising") == std::string::npos, table);
  BOOST_TEST(claims_table(e, results).text().find("agrees") != std::string::npos);
  BOOST_TEST(differences(e, results).empty());
  e.claims[0].expected = direction::rises;
  BOOST_TEST(differences(e, results).find("Not so here") != std::string::npos);
  results[0].sweep = {{"heun", 8, 3.25, 0, ""}, {"heun", 4, 6.5, 0, ""}};
  const std::string swept = sweep_table(e, results).text();
  BOOST_TEST(swept.find("first, heun") != std::string::npos, swept);
  BOOST_TEST(swept.find("6.50") < swept.find("3.25"), swept);
}

BOOST_AUTO_TEST_CASE(quick_leaves_what_is_given) {
  const settings quick = parsed({"--quick", "--steps", "7"});
  BOOST_TEST(quick.steps == 7);
  BOOST_TEST(quick.width < settings{}.width);
  BOOST_TEST(parsed({"--width", "128", "--quick"}).width == 128);
  BOOST_TEST(parsed({}).width == settings{}.width);
  BOOST_TEST((parsed({"--data", "emoji"}).data == data_set::emoji));
  const auto only = parsed({"--only", "patch", "flow"}).only;
  BOOST_TEST(only == (std::vector<std::string>{"patch", "flow"}), tt::per_element());
  refused({"--only", "beauty"}, "--only");
  refused({"--data", "cats"}, "--data");
  refused({"--emoji-side", "48"}, "--emoji-side");
  refused({"--unet-channels", "10"}, "--unet-channels");
  refused({"--seeds", "0"}, "--seeds");
  refused({"--drawn", "5"}, "--drawn");
  refused({"--image-steps", "1"}, "--image-steps");
}
