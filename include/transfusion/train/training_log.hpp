// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/types.hpp"
#include "transfusion/io/atomic_file.hpp"

namespace transfusion {

/// A CSV file with one line a step. A resumed run keeps the lines before its first step, atomically, and writes the
/// rest anew.
class training_log {
 public:
  /// An empty path logs nothing. Throws io_error when the file cannot be written.
  training_log(const std::string& path, const std::vector<std::string>& columns, index_t first_step) : path_(path) {
    if (path.empty()) return;
    std::string kept = "step";
    for (const std::string& c : columns) kept += "," + c;
    kept += "\n" + (first_step > 0 ? lines_before(first_step) : std::string());
    const bool rewrites = first_step > 0 && std::filesystem::is_regular_file(std::filesystem::symlink_status(path));
    if (rewrites) {
      atomic_file whole(path);
      whole.write_at(0, kept.data(), kept.size());
      whole.commit();
    }
    file_.open(path, rewrites ? std::ios::app : std::ios::trunc);
    if (!rewrites) file_ << kept << std::flush;
    require<io_error>(file_.good(), path, ": cannot write the training log");
  }

  void write(index_t step, const std::vector<double>& values) {
    if (path_.empty()) return;
    file_ << step;
    for (double v : values) {
      char text[32];
      std::snprintf(text, sizeof text, ",%.6g", v);
      file_ << text;
    }
    file_ << '\n' << std::flush;
    require<io_error>(file_.good(), path_, ": cannot write the training log");
  }

 private:
  std::string lines_before(index_t first_step) const {
    std::ifstream old(path_);
    std::string kept, line;
    std::getline(old, line);
    while (std::getline(old, line)) {
      index_t step = -1;
      std::istringstream(line) >> step;
      if (step >= 0 && step < first_step) kept += line + "\n";
    }
    return kept;
  }

  std::string path_;
  std::ofstream file_;
};

}  // namespace transfusion
