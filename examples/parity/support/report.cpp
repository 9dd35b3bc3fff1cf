// SPDX-License-Identifier: Apache-2.0
#include "parity/support/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "parity/support/coders.hpp"
#include "parity/support/corpus.hpp"
#include "support/chart.hpp"
#include "support/grid.hpp"
#include "support/strip.hpp"
#include "support/uncertainty.hpp"

namespace parity {
namespace fs = std::filesystem;

namespace {

constexpr tf::image_shape scene_shape{3, settings::side, settings::side};
constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

std::string with_uncertainty(const result& r, const measure& m) {
  const auto found = r.measures.find(m.name);
  if (found == r.measures.end()) return "";
  std::string text = support::fixed(m.scale * found->second, m.digits);
  if (const auto error = r.measures.find(m.name + "_error"); error != r.measures.end())
    return support::with_error(m.scale * found->second, m.scale * error->second, m.digits);
  const auto low = r.measures.find(m.name + "_low"), high = r.measures.find(m.name + "_high");
  if (low == r.measures.end() || high == r.measures.end()) return text;
  return text + " (" + support::fixed(m.scale * low->second, m.digits) + " to " +
         support::fixed(m.scale * high->second, m.digits) + ")";
}

std::string head_of(const measure& m) { return m.title + (m.way == better::less ? " ↓" : " ↑"); }

parity_ratio ratio_of(std::span<const result> results, const measure& m) {
  return parity_of(outcomes(results, family::transfusion, m), outcomes(results, family::chameleon, m), m.way);
}

/// How many trainings of either family are left out: "3 of 12, 0 of 12"; empty where none is.
std::string at_chance_text(std::span<const result> results, const measure& m) {
  std::string text;
  bool any = false;
  for (const family who : families) {
    const auto all = outcomes(results, who, m);
    const auto some = std::count_if(all.begin(), all.end(), [](const outcome& o) { return o.at_chance; });
    text += (text.empty() ? "" : ", ") + std::to_string(some) + " of " + std::to_string(all.size());
    any |= some > 0;
  }
  return any ? text : "";
}

std::string line_text(const std::optional<power_law>& line) {
  if (!line) return "none";
  return support::fixed(line->slope, 3) + ", " + std::to_string(line->points) + " points";
}

/// A ratio, or what is known in its place: "below 0.031".
std::string ratio_text(const parity_ratio& p) {
  if (p.ratio) return support::fixed(*p.ratio, 3);
  return p.transfusion && p.chameleon ? p.why.substr(0, p.why.find(':')) : "none";
}

std::string interval_text(const parity_ratio& p) {
  if (p.high <= 0) return "";
  char text[64];
  std::snprintf(text, sizeof text, "%.3g to %.3g", p.low, p.high);
  if (p.without <= 0.005) return text;
  return text + std::string("; no line in ") + support::percent(p.without, 0) + " of the resamples";
}

/// Trainings as points apart from each other, then the line through the frontier.
support::series series_of(const std::string& name, std::span<const outcome> all, const std::optional<power_law>& line,
                          double scale) {
  constexpr double tera = 1e12;
  support::series s{name, {}, {}};
  const auto add = [&](double flops, double value) {
    s.x.push_back(flops / tera);
    s.y.push_back(scale * value);
  };
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (const outcome& o : all) {
    add(o.flops, o.value);
    add(nothing, nothing);
    least = std::min(least, o.flops);
    most = std::max(most, o.flops);
  }
  if (line)
    for (const double flops : {least, most}) add(flops, line->value_at(flops));
  return s;
}

bool can_be_drawn(const std::vector<support::series>& lines) {
  return std::any_of(lines.begin(), lines.end(), [](const support::series& s) {
    return std::any_of(s.y.begin(), s.y.end(), [](double y) { return y > 0; });
  });
}

void add_chart(support::markdown_report& report, const fs::path& folder, const measure& m,
               std::span<const result> results) {
  const auto ours = outcomes(results, family::transfusion, m), theirs = outcomes(results, family::chameleon, m);
  const parity_ratio p = ratio_of(results, m);
  const std::vector<support::series> lines{series_of("Transfusion", ours, p.transfusion, m.scale),
                                           series_of("Chameleon", theirs, p.chameleon, m.scale)};
  if (!can_be_drawn(lines)) return;
  support::draw_chart(
      lines,
      {.title = m.title, .x_label = "TFLOP of the training", .log_x = true, .log_y = true, .width = 640, .height = 400})
      .save(folder / (m.name + ".png"));
  report.picture(m.name + ".png", head_of(m) + ": a point a training, a line through each family's frontier");
}

support::grid_row row_of(const std::string& label, std::span<const tf::image> pictures) {
  support::grid_row row{label, {}};
  for (const tf::image& p : pictures) row.cells.push_back({p.values, p.shape});
  return row;
}

/// What both families draw at each size after the longest training.
void add_samples(support::markdown_report& report, const fs::path& folder, const fs::path& strips, const settings& s,
                 std::span<const result> results) {
  std::vector<support::grid_row> rows;
  for (const model_size& size : s.models())
    for (const family who : families)
      for (const result& r : results)
        if (r.what.who == who && r.what.size.name() == size.name() && r.what.budget == s.budgets.back())
          rows.push_back(row_of(size.name() + " " + title(who), support::read_strip(strips / r.pictures, scene_shape)));
  if (rows.empty()) return;
  support::grid_options options{.title = "Drawn after the longest training", .columns = {}, .magnify = 2};
  for (const scenes::prompt& p : shown_prompts()) {
    std::string words = caption(p);
    options.columns.push_back(words.substr(words.find(' ') + 1));
  }
  support::draw_grid(rows, options).save(folder / "samples.png");
  report.picture("samples.png", "The same prompts for all");
}

void add_reconstructions(support::markdown_report& report, const fs::path& folder, const fs::path& strips) {
  const auto vae = support::read_strip(strips / (std::string(vae_name) + ".png"), scene_shape);
  const auto vq = support::read_strip(strips / (std::string(vq_name) + ".png"), scene_shape);
  const std::size_t half = vae.size() / 2;
  const std::vector<support::grid_row> rows{row_of("new scenes", std::span(vae).first(half)),
                                            row_of("VAE", std::span(vae).subspan(half)),
                                            row_of("VQ-VAE", std::span(vq).subspan(half))};
  support::draw_grid(rows, {.title = "There and back", .columns = {}, .magnify = 2})
      .save(folder / "reconstructions.png");
  report.picture("reconstructions.png", "What both autoencoders make of new scenes");
}

std::string list_of(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& w : words) text += (text.empty() ? "" : ", ") + w;
  return text;
}

std::string about_trainings(const settings& s) {
  const auto n = [](index_t v) { return std::to_string(v); };
  std::vector<std::string> budgets;
  for (const index_t b : s.budgets) budgets.push_back(n(b));
  return "Data: captioned scenes of " + n(settings::side) + " × " + n(settings::side) +
         " pixels, drawn without end; all trainings see the same ones in the same order, " + n(s.pairs) +
         " pairs a step, four in five caption first. Both families read a scene as 64 rows: Transfusion as 8 × 8 "
         "latents "
         "of " +
         n(s.latent_channels) + " channels, one a row, Chameleon as 8 × 8 codes of " + n(s.codes) +
         ". Sizes (layers x width x heads): " + list_of(s.sizes) +
         ". Budgets in tokens, text and picture: " + list_of(budgets) +
         "; each is a training of its own with its own schedule of rates. Peak rates: " + support::fixed(s.rate, 5) +
         " for Transfusion and " + support::fixed(s.chameleon_share * s.rate, 5) +
         " for Chameleon (the paper: 3e-4 and 1e-4). Transfusion predicts v, steadier in short runs than the paper's "
         "ε. "
         "Guidance " +
         support::fixed(s.guidance, 1) + " for both, " + std::to_string(s.image_steps) +
         " solver steps; codes are drawn at temperature 1. One seed, averaged weights.";
}

/// "16.6 ± 0.7" of a JSON file.
std::string with_error(const nlohmann::json& json, const std::string& key, int digits) {
  return support::with_error(json.value(key, nothing), json.value(key + "_error", nothing), digits);
}

std::string about_text_measures(const settings& s) {
  return "FLOPs are those of the training's matrix products as the trainer counts them, with the mask's exact pairs; "
         "the autoencoders' are not in them (the paper: 6ND). Perplexity: of " +
         std::to_string(s.read) +
         " captions of new scenes alone (of the prompts that are trained on), the mark behind them included. As their "
         "distribution is known, the nats that a caption lies above the least possible are given too: perplexity "
         "itself soon goes no lower. CIDEr-D, from 0 to 10 (papers print 100 times that): of captions of the same "
         "scenes, "
         "written word by word the likeliest, against the one that each has; others may be as true. Captions right: "
         "the right one is the likeliest of ten.";
}

std::string about_picture_measures(const settings& s, const surroundings& around) {
  const auto real = [&](const char* key) { return support::fixed(around.real.value(key, nothing), 1); };
  return "Distance to real scenes: the Fréchet distance of " + std::to_string(s.drawn) +
         " scenes drawn from such captions, in the features of a small classifier of the topmost object, which is "
         "right on " +
         support::percent(around.real.value("accuracy", nothing)) + " of real scenes; as many real ones have " +
         with_error(around.real, "frechet", 1) +
         ". Similarity to prompts: 100 times the cosine of the same scenes and "
         "their captions in the eyes of an embedder of scenes and captions (" +
         std::to_string(s.embedder_steps) + " steps on real ones); real scenes have " + real("similarity") + " (" +
         real("similarity_low") + " to " + real("similarity_high") +
         "). Drawn as asked: the exact detector finds just the object asked for, prompts of one object with and "
         "without a colour that are not held out. Named as asked: the classifier sees colour and shape.";
}

std::string about_uncertainty() {
  return "In brackets: 95 % by bootstrap over captions or pictures. Behind ±: the standard error of the distance by "
         "the "
         "same; there is no interval, as resamples repeat pictures and so lie further from real scenes than these do.";
}

support::markdown_table coders_table(const surroundings& around) {
  support::markdown_table table({"autoencoder", "parameters (M)", "PSNR of all values (dB)",
                                 "Fréchet of what comes back", "scenes still read as captioned (%)", "codes used (%)",
                                 "code perplexity"});
  const auto row = [&](const std::string& name, const nlohmann::json& json, bool codes) {
    const auto number = [&](const char* key, int digits, double scale = 1) {
      return support::fixed(scale * json.value(key, nothing), digits);
    };
    table.row({name, number("parameters", 2, 1e-6), number("psnr", 1), with_error(json, "frechet", 1),
               number("right", 1, 100), codes ? number("codes_used", 1, 100) : "",
               codes ? number("code_perplexity", 0) : ""});
  };
  row("VAE", around.vae, false);
  row("VQ-VAE", around.vq, true);
  return table;
}

}  // namespace

support::markdown_table trainings_table(std::span<const result> results) {
  std::vector<std::string> head{"family", "size", "parameters (M)", "tokens (M)", "TFLOP"};
  for (const measure& m : measures()) head.push_back(head_of(m));
  support::markdown_table table(head);
  for (const result& r : results) {
    const auto number = [&](const char* name, double scale, int digits) {
      const auto found = r.measures.find(name);
      return found == r.measures.end() ? std::string() : support::fixed(scale * found->second, digits);
    };
    std::vector<std::string> cells{title(r.what.who), r.what.size.name(), number("parameters", 1e-6, 2),
                                   number("tokens", 1e-6, 2), support::fixed(r.flops() / 1e12, 3)};
    for (const measure& m : measures()) cells.push_back(with_uncertainty(r, m));
    table.row(cells);
  }
  return table;
}

support::markdown_table ratios_table(std::span<const result> results) {
  support::markdown_table table({"measure", "Transfusion: slope", "Chameleon: slope", "parity FLOP ratio", "95 %",
                                 "at chance", "paper, Table 3"});
  for (const measure& m : measures()) {
    const parity_ratio p = ratio_of(results, m);
    table.row({head_of(m), line_text(p.transfusion), line_text(p.chameleon), ratio_text(p), interval_text(p),
               at_chance_text(results, m), m.paper});
  }
  return table;
}

std::string missing_ratios(std::span<const result> results) {
  std::string text;
  for (const measure& m : measures()) {
    const parity_ratio p = ratio_of(results, m);
    if (!p.ratio) text += "- " + m.title + ": " + p.why + ".\n";
  }
  return text;
}

void save_report(const fs::path& folder, const support::json_store& store, const settings& s,
                 const surroundings& around, std::span<const result> results) {
  support::markdown_report report("Transfusion against Chameleon at equal FLOPs");
  report.paragraph(about_trainings(s)).paragraph(about_text_measures(s));
  report.paragraph(about_picture_measures(s, around)).paragraph(about_uncertainty());
  report.heading("Parity").paragraph(
      "The FLOPs that Transfusion needs to come as far as Chameleon's largest training, over that training's FLOPs: "
      "below 1 Transfusion needs less. Each family's line goes through its best at a FLOP budget, which is each "
      "training "
      "that is better than all cheaper ones, in logarithms of both; the value is what Chameleon's largest training has "
      "reached. The interval draws Transfusion's trainings with replacement, 1000 times, and follows their lines "
      "wherever they have that value; that Chameleon's value is uncertain too, and that there is one seed, is not in "
      "it. Where there are not three points for a line, or Transfusion's has the value "
      "outside its trainings, that stands in place of a number. Trainings at chance are in no line and do not "
      "count as reached: those whose gain over a model that does not look has an interval that goes down to 0. Such a "
      "model ranks one caption of ten rightly; else it is the training's own captions beside other scenes, or its own "
      "pictures beside other prompts.");
  report.table(ratios_table(results));
  if (const std::string text = missing_ratios(results); !text.empty()) report.paragraph(text);
  for (const measure& m : measures()) add_chart(report, folder, m, results);
  report.heading("Trainings").table(trainings_table(results));
  add_samples(report, folder, store.folder(), s, results);
  report.heading("Autoencoders")
      .paragraph("The same encoder and decoder, trained on the same scenes for " + std::to_string(s.coder_steps) +
                 " steps of " + std::to_string(s.coder_scenes) +
                 " with the absolute error of pixels and the bottleneck's own loss alone. What they lose no model "
                 "behind them can "
                 "give back.");
  report.table(coders_table(around));
  add_reconstructions(report, folder, store.folder());
  report.save(folder / "report.md");
}

}  // namespace parity
