// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/report.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "emoji/support/classifier.hpp"
#include "emoji/support/measure.hpp"
#include "support/chart.hpp"
#include "support/report.hpp"
#include "support/uncertainty.hpp"
#include "support/vocabulary.hpp"

namespace emoji {

namespace {

using support::fixed;
using support::with_error;
using support::with_interval;

std::string whole(index_t n) { return n > 0 ? std::to_string(n) : "not known"; }

support::grid_cell cell(const tf::image& i, std::string label = {}, support::color ink = support::colors::ink) {
  return {i.values, i.shape, std::move(label), ink};
}

/// Every n-th of the numbers 0 to size - 1, so that `count` are left.
std::vector<std::size_t> spread(std::size_t size, std::size_t count) {
  std::vector<std::size_t> some;
  count = std::min(count, size);
  for (std::size_t i = 0; i < count; ++i) some.push_back(i * size / count);
  return some;
}

void save_rebuilt(const std::filesystem::path& file, const data& d, const test_items& items, const coder_findings& f) {
  std::vector<support::grid_row> rows{{"as the font draws it", {}}, {"through the autoencoder", {}}};
  const auto add = [&](const std::vector<index_t>& numbers, const std::vector<tf::image>& rebuilt, std::size_t count) {
    for (std::size_t n : spread(numbers.size(), count)) {
      rows[0].cells.push_back(cell(d.picture(numbers[n])));
      rows[1].cells.push_back(cell(rebuilt[n]));
    }
  };
  add(items.emoji, f.emoji, 9);
  add(items.tones, f.tones, 3);
  draw_grid(rows, {.title = "Held-out pictures: emoji, and combinations with a skin tone", .magnify = 1}).save(file);
}

void save_samples(const std::filesystem::path& file, const data& d, const test_items& items,
                  const std::vector<drawer_findings>& drawers) {
  constexpr std::size_t across = 10, bands = 2;
  std::vector<support::grid_row> rows;
  const auto shown = spread(items.seen.size(), across * bands);
  for (std::size_t band = 0; band * across < shown.size(); ++band) {
    const auto row = [&](const std::string& label, const auto& cell_of) {
      support::grid_row r{label, {}};
      for (std::size_t n = band * across; n < std::min((band + 1) * across, shown.size()); ++n)
        r.cells.push_back(cell_of(shown[n]));
      rows.push_back(std::move(r));
    };
    row("the font", [&](std::size_t n) { return cell(d.picture(items.seen[n]), d.at(items.seen[n]).name); });
    for (const drawer_findings& f : drawers) row(f.codec, [&](std::size_t n) { return cell(f.seen[n]); });
  }
  draw_grid(rows, {.title = "Drawn from names that training has seen", .magnify = 1, .label_limit = 70}).save(file);
}

void save_tones(const std::filesystem::path& file, const data& d, const test_items& items,
                const std::vector<drawer_findings>& drawers) {
  std::vector<support::grid_row> rows{{"the font (no training saw it)", {}}};
  const auto shown = spread(items.tones.size(), 10);
  for (std::size_t n : shown) rows[0].cells.push_back(cell(d.picture(items.tones[n]), d.at(items.tones[n]).name));
  for (const drawer_findings& f : drawers) {
    rows.push_back({f.codec, {}});
    const auto right = tones_right(d, items.tones, f.tones);
    for (std::size_t n : shown)
      rows.back().cells.push_back(cell(f.tones[n], right[n] > 0 ? "tone right" : "tone wrong",
                                       right[n] > 0 ? support::colors::good : support::colors::bad));
  }
  draw_grid(rows, {.title = "Drawn from held-out combinations", .magnify = 1, .label_limit = 80}).save(file);
}

void save_names(const std::filesystem::path& file, const data& d, const std::vector<drawer_findings>& drawers) {
  std::vector<support::grid_row> rows;
  for (const drawer_findings& f : drawers) {
    rows.push_back({f.codec, {}});
    for (std::size_t n = 0; n < f.named.size(); ++n) {
      const tf::image picture = d.picture(f.named[n]);
      // The words as the vocabulary cuts them, so that "name : tone" and "name: tone" are equal.
      const bool right =
          support::word_vocabulary::split(f.names[n]) == support::word_vocabulary::split(d.at(f.named[n]).name);
      rows.back().cells.push_back(cell(picture, f.names[n], right ? support::colors::good : support::colors::bad));
    }
  }
  draw_grid(rows, {.title = "What the models call pictures: six seen, four of held-out combinations",
                   .magnify = 1,
                   .label_limit = 70})
      .save(file);
}

void save_document(const std::filesystem::path& file, const drawer_findings& f) {
  std::vector<support::document_part> parts{std::string("Given, up to the colon:")};
  parts.insert(parts.end(), f.read.begin(), f.read.end());
  parts.emplace_back(std::string("Begun by two words, then made by the model alone:"));
  parts.insert(parts.end(), f.told.begin(), f.told.end());
  draw_document(parts, {.title = "Text and pictures, " + f.codec, .width = 420, .magnify = 1}).save(file);
}

void save_losses(const std::filesystem::path& file, const settings& s, const std::vector<drawer_findings>& drawers) {
  std::vector<support::series> lines;
  for (const drawer_findings& f : drawers) {
    support::series line{"image loss, " + f.codec, {}, {}};
    std::ifstream in(s.drawer_stage(f.codec).beside("csv"));
    std::string text;
    std::getline(in, text);
    while (std::getline(in, text)) {
      double step = 0, words = 0, picture = 0;
      char comma = 0;
      std::istringstream(text) >> step >> comma >> words >> comma >> picture;
      line.x.push_back(step);
      line.y.push_back(picture);
    }
    lines.push_back(std::move(line));
  }
  draw_chart(lines,
             {.title = "Training losses", .x_label = "step", .log_y = true, .smooth = 51, .width = 640, .height = 360})
      .save(file);
}

support::markdown_table training_table(const findings& f) {
  support::markdown_table table({"stage", "parameters", "steps", "pictures", "time"});
  const auto row = [&](const std::string& name, const stage_summary& t) {
    table.row({name, whole(t.parameters), whole(t.steps), whole(t.pictures),
               t.steps > 0 ? fixed(t.seconds / 60, 1) + " minutes" : "not known"});
  };
  row("classifier", f.classifier);
  row("autoencoder", f.coder.training);
  for (const drawer_findings& d : f.drawers) row("Transfusion, " + d.codec, d.training);
  return table;
}

support::markdown_table coder_table(const findings& f) {
  support::markdown_table table({"autoencoder", "found", "goal"});
  table.row({"PSNR, held-out emoji", fixed(f.coder.psnr_emoji, 1) + " dB", "27 dB"});
  table.row({"PSNR, held-out combinations", fixed(f.coder.psnr_tones, 1) + " dB", ""});
  table.row({"PSNR, training pictures", fixed(f.coder.psnr_seen, 1) + " dB", ""});
  for (std::size_t c = 0; c < f.coder.scale.mean.size(); ++c)
    table.row({"latent channel " + std::to_string(c) + ": mean, deviation",
               fixed(f.coder.scale.mean[c], 3) + ", " + fixed(f.coder.scale.deviation[c], 3), ""});
  table.row({"classifier: group right, held-out emoji", support::percent(f.accuracy_emoji), ""});
  table.row({"classifier: group right, training pictures", support::percent(f.accuracy_seen), ""});
  return table;
}

support::markdown_table drawer_table(const findings& f) {
  std::vector<std::string> head{"measure"};
  for (const drawer_findings& d : f.drawers) head.push_back(d.codec);
  head.push_back("autoencoder alone");
  head.push_back("chance");
  support::markdown_table table(head);
  const auto row = [&](const std::string& name, const auto& of, const std::string& alone, const std::string& chance) {
    std::vector<std::string> cells{name};
    for (const drawer_findings& d : f.drawers) cells.push_back(of(d));
    cells.push_back(alone);
    cells.push_back(chance);
    table.row(std::move(cells));
  };
  row(
      "Fréchet distance, drawn to the font's", [](const auto& d) { return with_error(d.frechet); },
      with_error(f.coder.frechet), "");
  row(
      "skin tone right, held-out combinations", [](const auto& d) { return with_interval(d.tone); },
      with_interval(f.coder.tone), "20 %");
  row(
      "name ranked first of ten, seen pictures", [](const auto& d) { return with_interval(d.ranked_seen); }, "",
      "10 %");
  row(
      "the same, held-out combinations", [](const auto& d) { return with_interval(d.ranked_tones); }, "", "10 %");
  row(
      "the same, held-out emoji", [](const auto& d) { return with_interval(d.ranked_emoji); }, "", "10 %");
  return table;
}

}  // namespace

test_items::test_items(const data& d, index_t seen_count) : emoji(d.held_out_emoji()) {
  for (std::size_t n : spread(d.training().size(), static_cast<std::size_t>(seen_count)))
    seen.push_back(d.training()[n]);
  for (index_t i : d.held_out_tones())
    if (std::find(d.bases().begin(), d.bases().end(), d.at(i).base) != d.bases().end()) tones.push_back(i);
}

std::string summary(const findings& f) {
  std::string text = "autoencoder: PSNR " + fixed(f.coder.psnr_emoji, 1) + " dB on held-out emoji, " +
                     fixed(f.coder.psnr_tones, 1) + " dB on held-out combinations";
  for (const drawer_findings& d : f.drawers)
    text += "\n" + d.codec + ": Fréchet distance " + with_error(d.frechet) + " (autoencoder alone " +
            with_error(f.coder.frechet) + "), tone right " + with_interval(d.tone) + ", name first of ten " +
            with_interval(d.ranked_seen) + " seen, " + with_interval(d.ranked_tones) + " held-out combinations";
  return text;
}

void save_report(const settings& s, const data& d, const test_items& items, const findings& f) {
  save_rebuilt(s.out / "rebuilt.png", d, items, f.coder);
  save_samples(s.out / "samples.png", d, items, f.drawers);
  save_tones(s.out / "tones.png", d, items, f.drawers);
  save_names(s.out / "names.png", d, f.drawers);
  for (const drawer_findings& one : f.drawers) save_document(s.out / ("documents-" + one.codec + ".png"), one);
  save_losses(s.out / "loss.png", s, f.drawers);

  support::markdown_report report("Emoji: pictures and names in latents");
  report.paragraph(
      "A classifier of the groups of Unicode's list, an autoencoder of 64 x 64 pixels to 16 x 16 latents of " +
      std::to_string(s.latent_channels) +
      " channels with the classifier's features in its loss, and Transfusion models on the latents, all trained with "
      "this library on " +
      std::to_string(d.training().size()) + " emoji and their names. No training saw " +
      std::to_string(d.held_out_emoji().size()) + " emoji, and " + std::to_string(d.held_out_tones().size()) +
      " combinations of an emoji and a skin tone whose other four tones it saw.");
  report.paragraph("Command: `" + f.command + "`").table(training_table(f));
  report.heading("Autoencoder")
      .table(coder_table(f))
      .paragraph(
          "PSNR: 10 log10(peak² / mean squared error) of each picture as the font draws it, through the mean of its "
          "latent; the mean over pictures. The scale is that of the training pictures' latents before they are brought "
          "to mean 0 and deviation 1.")
      .picture("rebuilt.png", "Held-out pictures, rebuilt");
  report.heading("Transfusion on latents")
      .table(drawer_table(f))
      .paragraph(
          "Fréchet distance: in the classifier's " + std::to_string(classifier_features) + " features, between " +
          std::to_string(items.seen.size() + items.tones.size()) + " pictures drawn from names (" +
          std::to_string(items.seen.size()) + " seen, " + std::to_string(items.tones.size()) +
          " held-out combinations) and the font's pictures of the same names; so few make it larger than many would. "
          "± is its standard error, by bootstrap over the names, each with both of its pictures. Skin tone: the skin "
          "of an emoji is where the "
          "font's five pictures of it differ; there the drawn picture's mean colour must be nearest to the font's of "
          "the tone asked for. Ranked names: log P(name | picture), for a combination among the five tones of its "
          "emoji and of another emoji, else among ten names, of its group where that has 20. Intervals: 95 % by "
          "bootstrap over pictures. Guidance " +
          fixed(s.draws.guidance, 1) + ", " + std::to_string(s.draws.steps) +
          " DDIM steps. The codecs train for equal times, and so not for equal steps.")
      .picture("samples.png", "Drawn from seen names")
      .picture("tones.png", "Drawn from held-out combinations")
      .picture("names.png", "Names of pictures");
  report.heading("Text and pictures in one document");
  for (const drawer_findings& one : f.drawers)
    report.picture("documents-" + one.codec + ".png", "Documents, " + one.codec);
  report.heading("Training").picture("loss.png", "Losses");
  report.save(s.out / "report.md");
}

}  // namespace emoji
