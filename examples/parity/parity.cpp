// SPDX-License-Identifier: Apache-2.0
// The paper's controlled comparison (§6.1, Table 3) at small scale: trains both families over a grid of sizes and
// budgets, measures them, and writes what FLOPs either needs.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "parity/support/report.hpp"
#include "parity/support/trial.hpp"

namespace {

/// What is missing of real scenes' measures, autoencoders and trainings.
template <class Exec>
void run_all(Exec& e, const parity::settings& s, const support::json_store& store) {
  parity::eyes seen(s);
  if (!store.find(parity::real_name, s.of_results()))
    store.put(parity::real_name,
              {{"settings", s.of_results()}, {"accuracy", seen.accuracy()}, {"frechet", seen.frechet_of_real()}});
  const auto vae = vae_coder(e, s, store, seen), vq = vq_coder(e, s, store, seen);
  const parity::corpus data(s, vae, vq);
  const parity::lab lab{s, data, seen, vae, vq, store.folder()};
  run_missing(s, store, [&](const parity::planned& p, const parity::step_watch& watch) {
    return p.who == parity::family::transfusion ? run_transfusion(e, lab, p, watch) : run_chameleon(e, lab, p, watch);
  });
}

void run(const parity::settings& s) {
  s.require_valid();
  const std::filesystem::path out(s.out);
  const support::json_store store(out / "runs");
  const auto all = finished(s, store);
  const auto vae = store.find(parity::vae_name, s.of_coders()), vq = store.find(parity::vq_name, s.of_coders());
  const auto real = store.find(parity::real_name, s.of_results());
  const bool whole = std::all_of(all.begin(), all.end(), [](const auto& r) { return r.has_value(); });
  if (!whole || !vae || !vq || !real) support::on_device(s.device, [&](auto& e) { run_all(e, s, store); });
  const auto results = run_missing(s, store, {});
  const parity::surroundings around{*store.find(parity::vae_name, s.of_coders()),
                                    *store.find(parity::vq_name, s.of_coders()),
                                    *store.find(parity::real_name, s.of_results())};
  save_report(out, store, s, around, results);
  std::printf("%s\n%s\nReport and pictures: %s\n", parity::ratios_table(results).text().c_str(),
              parity::missing_ratios(results).c_str(), (out / "report.md").c_str());
}

}  // namespace

int main(int argc, char** argv) {
  parity::settings s;
  CLI::App app(
      "Trains Transfusion and Chameleon at several sizes and budgets, and says what FLOPs either needs.\n"
      "Each training is a file in the folder's runs/; started again, the program goes on with what is missing.",
      "parity");
  s.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    run(s);
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "parity: %s\n", fault.what());
    return 1;
  }
}
