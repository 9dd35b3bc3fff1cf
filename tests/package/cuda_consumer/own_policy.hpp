// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <transfusion/train.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

namespace tf = transfusion;

/// A word sees its document up to itself, an image its own patches alone.
struct images_apart {
  tf::key_interval keys(tf::index_t q, const tf::span_table& table) const {
    const bool patch = table.span_end(q) - table.span_begin(q) > 1;
    return tf::key_interval::of(patch ? table.span_begin(q) : table.document_begin(q), table.span_end(q));
  }
};

/// The noise grows evenly, and the signal is what it leaves.
struct even_noise {
  double noise(double t) const { return t; }
  double signal(double t) const { return std::sqrt(1 - t * t); }
};

struct mine : tf::paper {
  using mask = images_apart;
  using schedule = even_noise;
  using target = tf::target::v;
};

/// Trains `mine` for two steps; false where a loss is no number.
template <class Exec>
bool trains(Exec& exec, const char* name) {
  using model_type = tf::model<mine, Exec>;
  model_type model(exec, {.layers = 1, .width = 64, .heads = 2, .vocabulary = 6}, 1);
  tf::train_options options;
  options.steps = 2;
  options.warmup = 1;
  options.quiet = true;
  tf::trainer<model_type> trainer(model, options);
  bool finite = true;
  trainer.run(
      [](tf::index_t) {
        return std::vector<tf::document>{{tf::text{{4, 5}}, tf::image{{1, 8, 8}, std::vector<float>(64, 0.5f)}}};
      },
      [&](const auto& report) {
        std::printf("%s: step %d, loss %.4f\n", name, static_cast<int>(report.step), report.total);
        finite = finite && std::isfinite(report.total);
      });
  return finite;
}

/// The same on the CUDA policy, as a program's exit code: 77 without a device.
inline int trains_on_cuda() {
  try {
    tf::cuda_exec<tf::bf16> exec;
    std::printf("%s\n", exec.info().name.c_str());
    return trains(exec, "cuda") ? 0 : 1;
  } catch (const tf::device_error& e) {
    std::printf("skipped: %s\n", e.what());
    return 77;
  }
}
