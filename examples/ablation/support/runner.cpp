// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/runner.hpp"

#include <memory>
#include <set>
#include <string>

#include "support/report.hpp"
#include "transfusion/train/progress.hpp"

namespace ablation {

namespace {

/// A bar over the steps of all runs, told of each step of the one that runs.
class run_bar {
 public:
  run_bar(index_t runs, index_t done, index_t steps)
      : runs_(runs), done_(done), steps_(steps), bar_("ablation", runs * steps, done * steps) {}

  void begin(const std::string& name) { name_ = name; }
  void end() { ++done_; }

  static void step(void* to, index_t step, double loss) {
    auto& self = *static_cast<run_bar*>(to);
    if (!self.bar_.due() && step != self.steps_) return;
    self.bar_.update(self.done_ * self.steps_ + step, "run " + std::to_string(self.done_ + 1) + "/" +
                                                          std::to_string(self.runs_) + "  " + self.name_ + "  image " +
                                                          support::fixed(loss, 4));
  }

 private:
  index_t runs_, done_, steps_;
  tf::progress bar_;
  std::string name_;
};

result of_real_pictures(const gallery& pictures, const settings& s) {
  const picture_quality q = pictures.of_real(s.drawn);
  result r{real_pictures, 0, {{"frechet", q.frechet}}, {}, {}, {}, s.of_results()};
  if (q.judged) r.measures["judged"] = *q.judged;
  return r;
}

}  // namespace

std::vector<planned_run> plan(const std::vector<experiment>& list, index_t seeds) {
  std::vector<planned_run> runs;
  for (index_t seed = 1; seed <= seeds; ++seed) {
    std::set<std::string> named;
    for (const experiment& e : list)
      for (const trial& t : e.trials)
        if (named.insert(t.name).second) runs.push_back({&t, static_cast<std::uint64_t>(seed)});
  }
  return runs;
}

std::vector<result> run_missing(const std::vector<experiment>& list, const settings& s, const corpus& data,
                                const result_store& store) {
  std::vector<result> results;
  std::vector<planned_run> missing;
  const auto all = plan(list, s.seeds);
  for (const planned_run& p : all) {
    if (auto found = store.find(p.what->name, p.seed, settings_of(s, *p.what)))
      results.push_back(std::move(*found));
    else
      missing.push_back(p);
  }
  auto real = store.find(real_pictures, 0, s.of_results());
  if (missing.empty() && real) {
    results.push_back(std::move(*real));
    return results;
  }
  support::on_device(s.device, [&](auto& e) {
    const gallery pictures(data, s.device.threads);
    if (!real) store.put(*(real = of_real_pictures(pictures, s)));
    run_bar bar(std::ssize(all), std::ssize(all) - std::ssize(missing), s.steps);
    for (const planned_run& p : missing) {
      bar.begin(p.what->label + ", seed " + std::to_string(p.seed));
      const job j{data, pictures, s, *p.what, p.seed, store.folder(), &run_bar::step, &bar};
      results.push_back(p.what->run(e, j));
      store.put(results.back());
      bar.end();
    }
  });
  results.push_back(std::move(*real));
  return results;
}

}  // namespace ablation
