// SPDX-License-Identifier: Apache-2.0
// The paper's experiments at small scale: trains every variant, measures it, and writes a report.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "ablation/support/report.hpp"
#include "ablation/support/runner.hpp"

namespace {

/// Those asked for, in the order of all.
std::vector<ablation::experiment> chosen(const ablation::settings& s) {
  auto list = ablation::experiments(s);
  std::erase_if(list, [&](const ablation::experiment& e) {
    return !s.only.empty() && std::find(s.only.begin(), s.only.end(), e.name) == s.only.end();
  });
  return list;
}

void run(const ablation::settings& s) {
  const ablation::corpus data = s.load();
  const std::filesystem::path out(s.out);
  const ablation::result_store store(out / "runs");
  const auto list = chosen(s);
  const auto results = ablation::run_missing(list, s, data, store);
  ablation::save_report(out, store.folder(), list, s, data, results);
  for (const auto& e : list)
    for (const auto& c : e.claims) {
      const auto found = ablation::judged(c, results);
      std::printf("%-9s  %s: %s\n", ablation::word(found.found).c_str(), c.text.c_str(), found.sentence.c_str());
    }
  std::printf("Report and pictures: %s\n", (out / "report.md").c_str());
}

}  // namespace

int main(int argc, char** argv) {
  ablation::settings s;
  CLI::App app(
      "Trains the variants of the paper's experiments at small scale, measures them and writes a report.\n"
      "Each training is a file in the folder's runs/; started again, the program goes on with what is missing.",
      "ablation");
  s.add_to(app, ablation::experiment_names());
  CLI11_PARSE(app, argc, argv);
  try {
    run(s);
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "ablation: %s\n", fault.what());
    return 1;
  }
}
