// SPDX-License-Identifier: Apache-2.0
#include "parity/support/runner.hpp"

#include <algorithm>
#include <string>

#include "parity/support/checkpoint.hpp"
#include "support/report.hpp"
#include "transfusion/train/progress.hpp"

namespace parity {

namespace {

/// What a step costs, in a unit of its own: near enough for the time that is left.
index_t step_cost(const model_size& size) { return 1 + static_cast<index_t>(size.weights() / 1e5); }
index_t cost(const settings& s, const planned& p) { return s.steps(p.budget) * step_cost(p.size); }

}  // namespace

std::vector<std::optional<result>> finished(const settings& s, const support::json_store& store) {
  std::vector<std::optional<result>> all;
  for (const planned& p : grid(s)) {
    const auto json = store.find(p.name(), p.settings_of(s));
    if (!json) counted_before(s, store, p);  // throws on a checkpoint that would not be gone on from
    all.push_back(json ? std::optional(result::from_json(*json, store.file(p.name()).string())) : std::nullopt);
  }
  return all;
}

std::vector<result> run_missing(const settings& s, const support::json_store& store, const training& run) {
  auto found = finished(s, store);
  const auto all = grid(s);
  index_t whole = 0, done = 0, number = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    whole += cost(s, all[i]);
    done += found[i] ? cost(s, all[i]) : 0;
    number += found[i] ? 1 : 0;
  }
  tf::progress bar("parity", whole, done, done == whole);
  std::vector<result> results;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!found[i]) {
      ++number;
      const planned& p = all[i];
      const auto watch = [&](index_t step, double loss) {
        if (!bar.due()) return;
        bar.update(done + step * step_cost(p.size), "run " + std::to_string(number) + "/" + std::to_string(all.size()) +
                                                        "  " + p.name() + "  loss " + support::fixed(loss, 4));
      };
      found[i] = run(p, watch);
      store.put(p.name(), found[i]->to_json());
      done += cost(s, p);
    }
    std::filesystem::remove(checkpoint_file(store, all[i]));
    results.push_back(*std::move(found[i]));
  }
  return results;
}

}  // namespace parity
