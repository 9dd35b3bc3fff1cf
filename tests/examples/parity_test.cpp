// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_parity
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>

#include "files.hpp"
#include "parity/support/corpus.hpp"
#include "parity/support/report.hpp"
#include "parity/support/runner.hpp"
#include "support/strip.hpp"

using namespace parity;
using files::check_throws;
namespace tt = boost::test_tools;

namespace {

/// Trainings on value = factor · flops^slope.
std::vector<outcome> on_a_law(double factor, double slope, double first = 1e9, int count = 6) {
  std::vector<outcome> all;
  double flops = first;
  for (int i = 0; i < count; ++i, flops *= 3) all.push_back({flops, factor * std::pow(flops, slope)});
  return all;
}

settings parsed(std::vector<std::string> given) {
  settings s;
  CLI::App app("", "parity");
  s.add_to(app);
  std::reverse(given.begin(), given.end());
  app.parse(std::move(given));
  return s;
}

settings tiny() {
  settings s = parsed({"--quick"});
  s.sizes = {"1x8x2", "1x16x2"};
  s.budgets = {2000, 4000, 8000};
  return s;
}

/// A training of a family whose measures follow a law each.
result made_up(const settings& s, const planned& p) {
  const double flops = 6 * p.size.weights() * static_cast<double>(p.budget), x = flops / 1e7;
  const bool ours = p.who == family::transfusion;
  result r{p, {{"flops", flops}}, {}, p.settings_of(s)};
  r.measures["perplexity"] = ours ? 2 * std::pow(x, -0.2) : 2.2 * std::pow(x, -0.1);
  r.measures["ranked"] = (ours ? 0.1 : 0.01) * std::pow(x, 0.2);
  r.measures["ranked_low"] = 0.9 * r.measures["ranked"];
  r.measures["ranked_high"] = 1.1 * r.measures["ranked"];
  r.measures["right"] = 0;  // has no logarithm
  r.measures["frechet"] = 1e9 / flops;
  r.measures["frechet_error"] = 1.25;
  r.measures["judged"] = r.measures["judged_low"] = r.measures["judged_high"] = ours ? 0.5 : 0.02;
  r.measures["judged_gain_low"] = ours ? 0.48 : 0;
  return r;
}

std::vector<tf::image> greys(std::size_t count) {
  return std::vector<tf::image>(count, {{3, 32, 32}, std::vector<float>(3 * 32 * 32, 0.5f)});
}

}  // namespace

BOOST_AUTO_TEST_CASE(points_on_a_power_law_give_it_back) {
  const auto line = fitted(on_a_law(50, -0.25));
  BOOST_REQUIRE(line);
  BOOST_TEST(line->slope == -0.25, tt::tolerance(1e-9));
  BOOST_TEST(line->intercept == std::log(50.0), tt::tolerance(1e-9));
  BOOST_TEST(line->value_at(1e10) == 50 * std::pow(1e10, -0.25), tt::tolerance(1e-9));
  BOOST_TEST(line->flops_at(line->value_at(3e11)) == 3e11, tt::tolerance(1e-9));
  // A line through (log 1, 0), (log e, 1), (log e², 0.5): its slope is Σ(x − 1)(y − ½)/2 = 1/4.
  const double e = std::exp(1.0);
  const std::vector<outcome> three{
      {1, 1}, {e, e}, {e * e, std::exp(0.5)}, {5, 0}, {6, -1}};  // the last two have no log
  BOOST_TEST(fitted(three)->slope == 0.25, tt::tolerance(1e-12));
  BOOST_TEST(fitted(three)->intercept == 0.25, tt::tolerance(1e-12));
  BOOST_TEST(fitted(three)->points == 3);
  BOOST_TEST(!fitted(std::vector<outcome>{{2, 3}, {2, 4}}));
}

BOOST_AUTO_TEST_CASE(a_frontier_has_what_no_cheaper_one_reaches) {
  const std::vector<outcome> all{{3, 5}, {1, 9}, {2, 9}, {3, 4}, {4, 4.5}, {5, 1}};
  const auto less = frontier(all, better::less);
  BOOST_REQUIRE(less.size() == 3u);
  BOOST_TEST((less[0].flops == 1 && less[1].value == 4 && less[2].flops == 5));
  BOOST_TEST(frontier(all, better::more).size() == 1u);
}

// Two laws of one slope, one of which is k times as good: the ratio is k^(1/slope), whatever the budgets.
BOOST_AUTO_TEST_CASE(parity_of_exact_laws_is_exact) {
  const auto chameleon = on_a_law(2, -0.5, 1e10, 5), transfusion = on_a_law(1, -0.5, 1e9, 7);
  const parity_ratio p = parity_of(transfusion, chameleon, better::less);
  BOOST_REQUIRE(p.ratio);
  BOOST_TEST(*p.ratio == 0.25, tt::tolerance(1e-9));
  BOOST_TEST(p.low == 0.25, tt::tolerance(1e-9));
  BOOST_TEST(p.high == 0.25, tt::tolerance(1e-9));
  BOOST_TEST(p.without < 0.3);  // resamples of fewer than three different trainings
  // What Chameleon's largest training has reached counts, not its line: a value of 0.9 takes 1/0.9² of the FLOPs.
  auto better_last = chameleon;
  better_last.back().value *= 0.9;
  BOOST_TEST(parity_of(transfusion, better_last, better::less).ratio.value() == 0.25 / 0.81, tt::tolerance(1e-9));
  // Shares rise; here Transfusion needs eight times as much.
  const auto worse = parity_of(on_a_law(0.01, 1.0 / 3, 1e9, 14), on_a_law(0.02, 1.0 / 3), better::more);
  BOOST_TEST(worse.ratio.value() == 8.0, tt::tolerance(1e-9));
  // Different slopes: F_T^-0.4 = F_C^-0.3 at F_C = 3^4 · 1e12, so the ratio is F_C^(3/4 − 1).
  const auto steeper = parity_of(on_a_law(1, -0.4, 1e9, 12), on_a_law(1, -0.3, 1e12, 5), better::less);
  BOOST_TEST(steeper.ratio.value() == std::pow(81e12, -0.25), tt::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(chance_widens_the_interval) {
  auto transfusion = on_a_law(1, -0.5, 1e9, 7), chameleon = on_a_law(2, -0.5, 1e10, 5);
  for (std::size_t i = 0; i < transfusion.size(); ++i) transfusion[i].value *= i % 2 == 0 ? 1.1 : 1 / 1.1;
  const parity_ratio p = parity_of(transfusion, chameleon, better::less);
  BOOST_TEST(p.low < *p.ratio - 0.01);
  BOOST_TEST(p.high > *p.ratio + 0.01);
  const parity_ratio again = parity_of(transfusion, chameleon, better::less);
  BOOST_TEST((again.low == p.low && again.high == p.high));
}

BOOST_AUTO_TEST_CASE(where_there_is_no_ratio_it_says_why) {
  const auto good = on_a_law(1, -0.5), wrong = on_a_law(1, 0.2);
  const auto has = [](const parity_ratio& p, std::initializer_list<std::string> parts) {
    BOOST_TEST(!p.ratio);
    for (const std::string& part : parts) BOOST_TEST(p.why.find(part) != std::string::npos, part << " in: " << p.why);
  };
  has(parity_of(wrong, good, better::less), {"Transfusion: found 1 trainings of 6", "expected 3", "wrong sign, 0.200"});
  has(parity_of(good, wrong, better::less), {"Chameleon: found 1", "wrong sign"});
  has(parity_of(on_a_law(1, -0.2), good, better::more), {"Transfusion: ", "wrong sign, -0.200", "Chameleon: "});
  has(parity_of({}, good, better::less), {"Transfusion: found 0 trainings of 0"});
  const std::vector<outcome> zeros{{1, 0}, {2, 0}, {3, 0.1}, {4, 0.2}};
  has(parity_of(zeros, on_a_law(0.1, 0.5, 1), better::more), {"found 2 trainings of 4", "2 are not above 0"});
  // Lines that cross outside the trainings give a bound: 3^5 = 243 times the FLOPs lie between first and last.
  has(parity_of(good, on_a_law(1e3, -0.5), better::less), {"below 0.004", "better already"});
  has(parity_of(on_a_law(1e3, -0.5), good, better::less), {"above 1.000", "worse still"});
}

// Trainings at chance change nothing, wherever they lie and whatever they cost.
BOOST_AUTO_TEST_CASE(what_is_at_chance_is_in_no_line) {
  const auto transfusion = on_a_law(0.001, 0.25, 1e8, 8), chameleon = on_a_law(0.001, 0.2, 1e9, 5);
  const parity_ratio p = parity_of(transfusion, chameleon, better::more);
  BOOST_REQUIRE(p.ratio);
  auto more = transfusion, theirs = chameleon;
  for (const double flops : {1e8, 2e9, 1e14}) {
    more.push_back({flops, 0.9, true});
    theirs.push_back({flops, 0.9, true});
  }
  const parity_ratio with = parity_of(more, theirs, better::more);
  BOOST_TEST(with.ratio.value() == *p.ratio);
  BOOST_TEST((with.transfusion->points == 8 && with.chameleon->points == 5));
  for (std::size_t i = 2; i < theirs.size(); ++i) theirs[i].at_chance = true;
  const parity_ratio few = parity_of(transfusion, theirs, better::more);
  BOOST_TEST(!few.ratio);
  BOOST_TEST(
      few.why ==
      "Chameleon: found 2 trainings of 8 that are better than all cheaper ones, expected 3 for a line; 6 are not "
      "better than chance");
}

BOOST_AUTO_TEST_CASE(at_chance_is_a_gain_that_may_be_none) {
  const measure m{"m", "m", better::more};
  const auto found = [&](std::map<std::string, double> measures) {
    measures.insert({{"m", 0.2}, {"flops", 1}});
    return outcomes(std::vector<result>{{{}, measures, {}, {}}}, family::transfusion, m).at(0).at_chance;
  };
  BOOST_TEST(!found({{"m_gain_low", 0.01}}));
  BOOST_TEST(found({{"m_gain_low", 0}}));
  BOOST_TEST(found({{"m_gain_low", -0.01}}));
  BOOST_TEST(!found({}));  // says nothing of chance
  BOOST_TEST(outcomes(std::vector<result>{{{}, {{"flops", 1}}, {}, {}}}, family::transfusion, m).empty());
}

BOOST_AUTO_TEST_CASE(the_grid_has_every_size_and_budget_of_both) {
  const settings s = tiny();
  const auto all = grid(s);
  BOOST_TEST(all.size() == 12u);
  std::set<std::string> names;
  for (const planned& p : all) names.insert(p.name());
  BOOST_TEST(names.size() == 12u);
  BOOST_TEST(names.count("chameleon-1x16x2-4000") == 1u);
  BOOST_TEST(s.steps(8000) == 8000 / s.step_tokens());
  BOOST_TEST(s.scenes() == s.pairs * s.steps(8000));
}

BOOST_AUTO_TEST_CASE(settings_that_cannot_be_are_refused) {
  settings s = tiny();
  s.budgets = {1000, 4000};
  check_throws<tf::config_error>([&] { s.require_valid(); }, {"--budgets", "found 1000", "one step", "1216"});
  s.budgets = {4000, 4000};
  check_throws<tf::config_error>([&] { s.require_valid(); }, {"--budgets", "rising"});
  s.budgets.clear();
  check_throws<tf::config_error>([&] { s.require_valid(); }, {"--budgets", "found none"});
  for (const std::string name : {"4x128", "4x128x4x2", "0x128x4", "four", "4x128x3"}) {
    s.sizes = {name};
    check_throws<tf::config_error>([&] { s.require_valid(); }, {"--sizes", name});
  }
  BOOST_CHECK_THROW(parsed({"--budgets", "-5"}), CLI::ParseError);
  BOOST_CHECK_THROW(parsed({"--drawn", "3"}), CLI::ParseError);
  BOOST_TEST(parsed({"--quick", "--codes", "64"}).codes == 64);
  BOOST_TEST(parsed({"--quick"}).budgets.back() < settings().budgets.front());
}

BOOST_AUTO_TEST_CASE(what_is_finished_is_not_run_again) {
  const files::temporary_folder folder;
  const support::json_store store(folder.path());
  const settings s = tiny();
  int runs = 0;
  const training counting = [&](const planned& p, const step_watch& watch) {
    watch(1, 0.5);
    ++runs;
    return made_up(s, p);
  };
  const auto first = run_missing(s, store, counting);
  BOOST_TEST(runs == 12);
  std::filesystem::remove(store.file(first[3].what.name()));
  std::filesystem::remove(store.file(first[8].what.name()));
  const auto second = run_missing(s, store, counting);
  BOOST_TEST(runs == 14);
  for (std::size_t i = 0; i < first.size(); ++i) BOOST_TEST(second[i].to_json() == first[i].to_json());
  // A longer budget leaves what is there; other settings are refused before anything is run.
  settings longer = s;
  longer.budgets.push_back(16000);
  BOOST_TEST(run_missing(longer, store, counting).size() == 16u);
  BOOST_TEST(runs == 18);
  settings other = s;
  other.rate = 1;
  check_throws<tf::config_error>([&] { run_missing(other, store, counting); },
                                 {"transfusion-1x8x2-2000.json", "rate", "found 0.004", "expected 1.0", "--out"});
  BOOST_TEST(runs == 18);
  files::put(store.file(first[0].what.name()), "{\"settings\": " + first[0].settings.dump() + "}");
  check_throws<tf::format_error>([&] { finished(s, store); }, {"transfusion-1x8x2-2000.json", "family"});
}

BOOST_AUTO_TEST_CASE(the_report_has_lines_ratios_and_pictures) {
  const files::temporary_folder folder;
  const support::json_store store(folder / "runs");
  const settings s = tiny();
  std::vector<result> results;
  for (const planned& p : grid(s)) {
    results.push_back(made_up(s, p));
    results.back().pictures = p.name() + ".png";
    support::save_strip(store.folder() / results.back().pictures, greys(8));
  }
  for (const char* name : {"vae.png", "vq_vae.png"}) support::save_strip(store.folder() / name, greys(24));
  const surroundings around{{{"psnr", 31.5}},
                            {{"psnr", 27.5}, {"codes_used", 0.875}, {"frechet", 7}, {"frechet_error", 0.5}},
                            {{"frechet", 1.3}, {"frechet_error", 0.2}, {"similarity", 61.5}}};
  save_report(folder.path(), store, s, around, results);
  const std::string report = support::read_file(folder / "report.md");
  for (const std::string part :
       {"31.5", "87.5", "1.3 ± 0.2", "7.0 ± 0.5", "61.5", " ± 1.2 ", "1x16x2", "perplexity.png", "samples.png",
        "reconstructions.png", "0.49 (C4)", "2000, 4000, 8000"})
    BOOST_TEST(report.find(part) != std::string::npos, part);
  for (const char* name : {"perplexity.png", "ranked.png", "samples.png", "reconstructions.png"})
    BOOST_TEST(std::filesystem::exists(folder / name), name);
  BOOST_TEST(!std::filesystem::exists(folder / "right.png"));  // nothing above 0 to draw
  BOOST_TEST(report.find("right.png") == std::string::npos);
  const std::string table = ratios_table(results).text(), missing = missing_ratios(results);
  // At the largest training x = 14.75: 2 · y^-0.2 = 2.2 · 14.75^-0.1 gives y = √14.75 / 1.1⁵, of 14.75.
  const double x = 6 * 12 * 16 * 16 * 8000 / 1e7;
  for (const std::string& part : {std::string("-0.200, 5 points"), std::string("-0.100, 5 points"),
                                  support::fixed(std::pow(x, -0.5) / std::pow(1.1, 5), 3), std::string("below 0.062"),
                                  std::string("0 of 6, 6 of 6")})
    BOOST_TEST(table.find(part) != std::string::npos, part << " in: " << table);
  for (const std::string part :
       {"captions right (%): below 0.062: Transfusion's line is better already", "6 are not better than chance",
        "drawn as asked (%): ", "6 are not above 0 and have no logarithm"}) {
    BOOST_TEST(missing.find(part) != std::string::npos, part << " in: " << missing);
    BOOST_TEST(report.find(part) != std::string::npos, part);
  }
  BOOST_TEST(missing.find("caption perplexity") == std::string::npos);
}

// What the text's distance is measured from: a distribution, that of the scenes' captions.
BOOST_AUTO_TEST_CASE(caption_shares_are_those_of_the_scenes) {
  const auto shares = caption_shares();
  double sum = 0;
  for (const auto& [words, share] : shares) sum += share;
  BOOST_TEST(sum == 1.0, tt::tolerance(1e-9));
  const settings s = tiny();
  constexpr index_t count = 3000;
  double single = 0, expected = 0;
  for (const scenes::prompt& p : scenes::training_prompts(scenes::task::single_object))
    expected += shares.at(caption(p));
  BOOST_TEST(expected == 1.0 / 6, tt::tolerance(1e-9));
  double plain = 0, plain_expected = 0;
  for (const auto& [words, share] : shares)
    if (words == "two circles" || words == "three circles" || words == "four stars") plain_expected += share;
  for (index_t i = 0; i < count; ++i) {
    const std::string words = caption(held_out(s, i).words);
    BOOST_REQUIRE(shares.contains(words));
    single += words.find(' ') == words.rfind(' ') && words.starts_with("a ") ? 1 : 0;
    plain += words == "two circles" || words == "three circles" || words == "four stars" ? 1 : 0;
  }
  const auto near = [&](double found, double share) {
    return std::abs(found / count - share) < 4 * std::sqrt(share * (1 - share) / count);
  };
  BOOST_TEST(near(single, expected));
  BOOST_TEST(near(plain, plain_expected));
}

BOOST_AUTO_TEST_CASE(shown_prompts_are_of_one_object_and_a_colour) {
  for (const scenes::prompt& p : shown_prompts()) {
    BOOST_TEST(p.nouns.size() == 1u);
    BOOST_TEST(p.nouns.front().tint.has_value());
  }
  BOOST_TEST(!single_prompt(0).nouns.front().tint);
}
