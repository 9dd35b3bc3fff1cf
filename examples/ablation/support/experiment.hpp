// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ablation/support/claim.hpp"
#include "ablation/support/gallery.hpp"
#include "ablation/support/settings.hpp"

namespace ablation {

struct job;

/// A training and its measurements, compiled for each device.
struct trial_run {
  result (*on_cpu)(support::cpu_policy&, const job&) = nullptr;
  result (*on_cuda)(support::cuda_policy&, const job&) = nullptr;

  result operator()(support::cpu_policy& e, const job& j) const { return on_cpu(e, j); }
  result operator()(support::cuda_policy& e, const job& j) const { return on_cuda(e, j); }
};

/// In what a trial differs from the settings, other than in its policies.
struct trial_sizes {
  index_t patch = 4;
  double width = 1;            ///< of the settings' width and heads
  double lambda = 5;           ///< weight of the denoising loss (paper §4.1)
  bool equal_patches = false;  ///< as many patches a step as the settings' pairs have at patch 4
};

/// One line of a table.
struct trial {
  std::string name;   ///< of its files
  std::string label;  ///< in tables
  trial_run run;
  trial_sizes sizes{};
  std::string line{};  ///< the chart's line on which it is a point at x; empty: none
  double x = 0;
};

/// One of the paper's questions, or one that it leaves open.
struct experiment {
  std::string name;
  std::string title;
  std::string about;
  std::vector<trial> trials;
  std::vector<claim> claims;
  std::vector<std::string> measures{"perplexity", "ranked", "denoising", "frechet", "judged"};
  std::string x_label{};  ///< of the chart of trials, where they have an x
};

/// What a run of a trial is given.
struct job {
  const corpus& data;
  const gallery& pictures;
  const settings& set;
  const trial& what;
  std::uint64_t seed;
  std::filesystem::path folder;  ///< for strips of pictures
  void (*progress)(void* to, index_t step, double loss) = nullptr;
  void* to = nullptr;
};

/// The settings of a run: those of all, and what its trial changes.
nlohmann::json settings_of(const settings& s, const trial& t);

/// Evaluations of the model a picture at which solvers are compared.
std::vector<index_t> swept_evaluations(const settings& s);

/// Keeps some of the drawn pictures in a file of the run's name and this ending. Its name.
std::string keep_strip(const job& j, const std::vector<tf::image>& drawn, const std::string& ending);

/// All of them, as this data set allows: patches that divide its pictures.
std::vector<experiment> experiments(const settings& s);
std::vector<std::string> experiment_names();

/// The variant that the experiments start from, and the same with the U-Net. Both are in several, and are compiled
/// once.
trial_run base_run();
trial_run unet_run();

experiment attention();
experiment patch(const settings& s);
experiment codec();
experiment noise_limit();
experiment flow(const settings& s);
experiment solvers(const settings& s);
experiment lambda();
experiment routing();

}  // namespace ablation
