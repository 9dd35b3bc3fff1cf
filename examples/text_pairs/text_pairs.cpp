// SPDX-License-Identifier: Apache-2.0
// What pairs cost a model's text: trains one model on text alone and on text with pairs, and compares them.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "text_pairs/support/measures.hpp"
#include "text_pairs/support/report.hpp"
#include "text_pairs/support/run.hpp"

namespace {

void run(const text_pairs::settings& s) {
  const text_pairs::corpus text = s.load();
  const text_pairs::material m(text, s.make_tokenizer(text), s);
  const auto results = text_pairs::run_missing(m, s, s.of_results(text, m.words()));
  text_pairs::save_report(m, s, results);
  const auto alone = measured(results, "text", text_pairs::bits_per_byte);
  const auto more = difference(results, text_pairs::bits_per_byte);
  std::printf("Bits per byte of held-out text: %.4f on text alone, %+.4f [%+.4f, %+.4f] with pairs: %s (paper: more)\n",
              alone.value, more.value, more.low, more.high, text_pairs::direction(more).c_str());
  std::printf("Report and pictures: %s\n", (text_pairs::fs::path(s.out) / "report.md").c_str());
}

}  // namespace

int main(int argc, char** argv) {
  text_pairs::settings s;
  CLI::App app(
      "Trains one model on text alone and on the paper's mixture of text and caption-image pairs, and reports what the "
      "pairs cost the text.\n"
      "Each training is a file in the folder's runs/; started again, the program goes on with what is missing.",
      "text_pairs");
  s.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    run(s);
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "text_pairs: %s\n", fault.what());
    return 1;
  }
}
