// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "demo/support/evaluation.hpp"
#include "demo/support/training.hpp"

namespace fashion {

/// Everything the demo has found out.
struct findings {
  config sizes;
  training_summary training;  ///< steps = 0: a trained model was given
  double sgemm_gflops = 0;
  drawing draws;
  caption_accuracy captions;
  picture_quality pictures;
  std::string interleaved;
};

/// GFLOP/s of a 2048³ single-precision product on all threads: the limit beside which the training's rate is read.
double measured_sgemm(exec& e);

/// A few lines for the terminal.
std::string summary(const findings& f);

/// The Markdown report.
void save_report(const std::filesystem::path& file, const findings& f);

}  // namespace fashion
