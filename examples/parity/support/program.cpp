// SPDX-License-Identifier: Apache-2.0
#include "parity/support/program.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "parity/support/report.hpp"
#include "parity/support/trial.hpp"

namespace parity {

namespace {

/// What the eyes see in real scenes.
nlohmann::json look_at_real(const settings& s, eyes& seen) {
  const auto distance = seen.frechet_of_real();
  const auto similarity = tf::bootstrap_mean(seen.similarity_of_real());
  return {{"settings", s.of_results()},        {"accuracy", seen.accuracy()},
          {"frechet", distance.value},         {"frechet_error", distance.standard_error},
          {"similarity", similarity.value},    {"similarity_low", similarity.low},
          {"similarity_high", similarity.high}};
}

/// What is missing of real scenes' measures, autoencoders and trainings.
template <class Exec>
void run_all(Exec& e, const settings& s, const support::json_store& store) {
  eyes seen(s);
  if (!store.find(real_name, s.of_results())) store.put(real_name, look_at_real(s, seen));
  const auto vae = vae_coder(e, s, store, seen), vq = vq_coder(e, s, store, seen);
  const corpus data(s, vae, vq);
  const lab all{s, data, seen, vae, vq, store};
  run_missing(s, store, [&](const planned& p, const step_watch& watch) {
    return p.who == family::transfusion ? run_transfusion(e, all, p, watch) : run_chameleon(e, all, p, watch);
  });
}

}  // namespace

void run(const settings& s) {
  s.require_valid();
  const std::filesystem::path out(s.out);
  const support::json_store store(out / "runs");
  const auto all = finished(s, store);
  const auto vae = finished_coder(s, store, vae_name), vq = finished_coder(s, store, vq_name);
  const auto real = store.find(real_name, s.of_results());
  const bool whole = std::all_of(all.begin(), all.end(), [](const auto& r) { return r.has_value(); });
  if (!whole || !vae || !vq || !real) support::on_device(s.device, [&](auto& e) { run_all(e, s, store); });
  const auto results = run_missing(s, store, {});
  const surroundings around{*finished_coder(s, store, vae_name), *finished_coder(s, store, vq_name),
                            *store.find(real_name, s.of_results())};
  save_report(out, store, s, around, results);
  std::printf("%s\n%s\nReport and pictures: %s\n", ratios_table(results).text().c_str(),
              missing_ratios(results).c_str(), (out / "report.md").c_str());
}

}  // namespace parity
