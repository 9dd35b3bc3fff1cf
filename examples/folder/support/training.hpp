// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "folder/support/collection.hpp"
#include "folder/support/recipe.hpp"
#include "support/training.hpp"

namespace folder {

/// How a run reads its folder and where it keeps itself.
struct run_files {
  std::filesystem::path folder;
  std::filesystem::path checkpoint;
  std::filesystem::path log{};   ///< CSV; empty: none
  index_t checkpoint_every = 0;  ///< steps; 0: ten times a run
  bool resume = false;           ///< go on from the checkpoint
  bool overwrite = false;        ///< begin anew even where the checkpoint exists
  bool skip_bad = false;         ///< leave out what cannot be read, and count it
  bool convert = false;          ///< make grey of colour, or colour of grey
  bool quiet = false;
};

/// A training run over a folder of captioned pictures.
class training_run {
 public:
  /// Reads the folder and, to resume, the checkpoint; `given` names the settings that a resumed run does not take from
  /// there. Throws config_error, io_error or format_error naming the file (and line) or the setting.
  training_run(const run_files& files, const settings& s, const std::set<std::string>& given = {});

  const settings& used() const { return settings_; }
  const collection& data() const { return *data_; }
  const support::vocabulary& words() const { return *words_; }
  const std::vector<support::skipped_line>& skipped() const { return skipped_; }
  /// The steps that the checkpoint has behind it, and how many pictures its run had; 0 for a new run.
  index_t steps_done() const { return steps_done_; }
  index_t pictures_before() const { return pictures_before_; }

  /// Trains the steps that are left, writing the checkpoint with the averaged weights in it. Throws config_error where
  /// none are left.
  template <class Exec>
  support::training_summary operator()(Exec& e);

 private:
  tf::model_config<recipe> sizes() const;
  void read_checkpoint(const std::set<std::string>& given);
  template <class Exec>
  void plan_steps(Exec& e);

  run_files files_;
  settings settings_;
  bool by_the_clock_ = false;
  index_t steps_done_ = 0;
  index_t pictures_before_ = 0;
  std::unique_ptr<support::vocabulary> words_;
  std::unique_ptr<collection> data_;
  std::vector<support::skipped_line> skipped_;
};

}  // namespace folder
