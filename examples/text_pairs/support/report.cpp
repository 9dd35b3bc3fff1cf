// SPDX-License-Identifier: Apache-2.0
#include "text_pairs/support/report.hpp"

#include <cmath>

#include "support/chart.hpp"
#include "support/report.hpp"
#include "text_pairs/support/measures.hpp"

namespace text_pairs {

namespace {

using support::fixed;
using tf::bootstrap_result;

std::string number(index_t n) { return std::to_string(n); }
std::string whole(double v) { return fixed(v, 0); }

/// "10.41 [10.20, 10.63]".
std::string with_interval(const bootstrap_result& b, int digits) {
  return fixed(b.value, digits) + " [" + fixed(b.low, digits) + ", " + fixed(b.high, digits) + "]";
}

std::string with_sign(double v, int digits) { return (v < 0 ? "" : "+") + fixed(v, digits); }

std::string difference_text(const bootstrap_result& b, int digits) {
  return with_sign(b.value, digits) + " [" + with_sign(b.low, digits) + ", " + with_sign(b.high, digits) + "]";
}

const result& first_of(std::span<const result> results, const std::string& data) {
  for (const result& r : results)
    if (r.data == data) return r;
  throw tf::config_error("results: found none of " + data + ", expected one at least");
}

support::markdown_table measures_table(std::span<const result> results) {
  support::markdown_table table({"", "text alone", "text and pairs"});
  const result &text = first_of(results, "text"), &both = first_of(results, "mixture");
  table.row({"text tokens trained on", whole(text.text_rows), whole(both.text_rows)});
  table.row({"tokens of pairs trained on", "0", whole(both.pair_rows)});
  table.row({"fill of the batches", support::percent(text.fill, 2), support::percent(both.fill, 2)});
  const auto both_of = [&](const char* name, text_measure of, int digits) {
    table.row({name, with_interval(measured(results, "text", of), digits),
               with_interval(measured(results, "mixture", of), digits)});
  };
  both_of("held-out text: perplexity of a token", perplexity, 3);
  both_of("held-out text: bits per byte", bits_per_byte, 4);
  table.row({"held-out pairs: denoising loss", "not trained", with_interval(denoising(results), 4)});
  return table;
}

support::markdown_table differences_table(std::span<const result> results) {
  const bootstrap_result tokens = difference(results, perplexity), bytes = difference(results, bits_per_byte);
  const auto relative = [&](const bootstrap_result& d, text_measure of) {
    return with_sign(100 * d.value / measured(results, "text", of).value, 1) + " %";
  };
  support::markdown_table table({"", "what pairs add", "relative", "direction"});
  table.row(
      {"here: perplexity of a token", difference_text(tokens, 3), relative(tokens, perplexity), direction(tokens)});
  table.row({"here: bits per byte", difference_text(bytes, 4), relative(bytes, bits_per_byte), direction(bytes)});
  table.row({"paper, Table 4 (0.76 B parameters): C4", "+0.3 (10.1 to 10.4)", "+3.0 %", ""});
  table.row({"paper, Table 4 (0.76 B parameters): Wikipedia", "+0.2 (5.8 to 6.0)", "+3.4 %", ""});
  return table;
}

support::markdown_table seeds_table(std::span<const result> results) {
  support::markdown_table table({"seed", "text alone: bits per byte", "text and pairs", "difference"});
  for (const result& r : results) {
    if (r.data != "mixture") continue;
    std::vector<result> pair{r};
    for (const result& other : results)
      if (other.data == "text" && other.seed == r.seed) pair.push_back(other);
    table.row({std::to_string(r.seed), fixed(measured(pair, "text", bits_per_byte).value, 4),
               fixed(measured(pair, "mixture", bits_per_byte).value, 4),
               difference_text(difference(pair, bits_per_byte), 4)});
  }
  return table;
}

std::string about_training(const material& m, const settings& s, const result& r) {
  return "The same model is trained twice: on text alone, and on as much of the same text in the same order with "
         "caption-image pairs beside it, text to pairs 1 : " +
         fixed(s.pair_share, s.pair_share == std::floor(s.pair_share) ? 0 : 2) +
         " by token (the paper: 1 : 1). Text: " + m.name() + ", " + number(m.train_bytes()) + " bytes (" +
         number(m.train_tokens()) +
         " tokens) to train on; tokenizer: " + r.settings.at("tokenizer").at("kind").get<std::string>() +
         ", vocabulary of " + number(m.words().size()) + ". Pairs: captioned scenes of " + number(material::side) +
         " × " + number(material::side) + " pixels without end, four in five caption first. " + number(s.steps) +
         " steps of " + number(s.text_rows) + " rows of text, and of " + number(s.mixture_rows()) +
         " rows in the mixture. Model: " + number(s.layers) + " layers, width " + number(s.width) + ", " +
         number(s.heads) + " heads, patches of " + number(s.patch) + " × " + number(s.patch) + ", " +
         fixed(r.parameters / 1e6) + " M parameters, λ = 5, target v; " + number(s.seeds) +
         (s.seeds == 1 ? " seed." : " seeds.");
}

std::string about_measures(const result& r) {
  double bytes = 0;
  for (const double b : r.bytes) bytes += b;
  return "Held out: " + number(std::ssize(r.bytes)) + " passages of " + whole(bytes) + " bytes, read in pieces of " +
         r.settings.at("text_rows").dump() +
         " rows. In brackets: the bootstrap's interval of 95 % over held-out passages (both models on the same ones) "
         "or "
         "pairs. It says how sure the measurement is, not how much another seed would change: --seeds tells that. "
         "Weights are averaged ones. The denoising loss is of scenes that no run has seen, after their captions.";
}

/// A text as a Markdown quotation.
std::string quoted(const std::string& text) {
  std::string out = "> ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "> ";
  }
  return out;
}

std::vector<support::series> loss_lines(const settings& s, std::span<const result> results) {
  std::vector<support::series> lines;
  for (const result& r : results) {
    support::series line{r.name(), {}, r.losses};
    for (std::size_t i = 0; i < r.losses.size(); ++i)
      line.x.push_back((static_cast<double>(i) + 0.5) * static_cast<double>(s.steps) /
                       static_cast<double>(r.losses.size()));
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

std::string report_text(const material& m, const settings& s, std::span<const result> results) {
  const result &text = first_of(results, "text"), &both = first_of(results, "mixture");
  support::markdown_report report("What pairs cost a model's text");
  report.paragraph(about_training(m, s, both)).table(measures_table(results)).paragraph(about_measures(both));
  report.heading("The price of pairs").table(differences_table(results));
  report.paragraph("The paper's models have read 250,000 M tokens of text, these " + fixed(both.text_rows / 1e6, 1) +
                   " M.");
  if (s.seeds > 1) report.table(seeds_table(results));
  report.picture("losses.png", "Next-token loss in training; in the mixture captions are part of it");
  report.heading("What the models write").paragraph("Text alone:").paragraph(quoted(text.sample));
  report.paragraph("Text and pairs:").paragraph(quoted(both.sample));
  report.heading("What the model of the mixture draws")
      .paragraph("Captions in green: the scenes' detector finds what was asked for and nothing else.");
  report.picture("runs/" + both.pictures, "Pictures drawn from captions");
  return report.text();
}

void save_report(const material& m, const settings& s, std::span<const result> results) {
  const fs::path out(s.out);
  support::draw_chart(loss_lines(s, results), {.title = "Next-token loss in training",
                                               .x_label = "step",
                                               .y_label = "nats a token",
                                               .width = 760,
                                               .height = 420})
      .save(out / "losses.png");
  support::write_file(out / "report.md", report_text(m, s, results));
}

}  // namespace text_pairs
