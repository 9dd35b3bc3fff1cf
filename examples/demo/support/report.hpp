// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "demo/support/evaluation.hpp"
#include "demo/support/training.hpp"

namespace fashion {

/// The rate of large matrix products: the limit beside which the training's rate is read.
struct product_rate {
  double gflops = 0;
  std::string device{};  ///< the GPU's name; empty: the CPU
};

/// Of single precision on all threads, or of bf16 on a GPU.
template <class Exec>
product_rate measured_product(Exec& e);

/// Everything the demo has found out.
struct findings {
  config sizes;
  training_summary training;  ///< steps = 0: a trained model was given
  product_rate product;
  drawing draws;
  caption_accuracy captions;
  picture_quality pictures;
  std::string interleaved;
};

/// A few lines for the terminal.
std::string summary(const findings& f);

/// The Markdown report.
void save_report(const std::filesystem::path& file, const findings& f);

}  // namespace fashion
