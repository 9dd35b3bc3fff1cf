// SPDX-License-Identifier: Apache-2.0
// What a variant costs to compile whose block is not the paper's, so that the block is compiled too.
#include "transfusion/model.hpp"

namespace tf = transfusion;

struct steadied : tf::paper {
  using qk_norm = tf::qk_norm::on;
};

int main() {
  tf::cpu_exec<float> exec;
  tf::model<steadied, tf::cpu_exec<float>> model{exec, {.layers = 2, .width = 64, .heads = 2, .vocabulary = 32}, 1};
  const auto batch = model.pack({tf::document{}});
  tf::tape<tf::cpu_exec<float>> tape{exec};
  const auto losses = model.loss(tape, batch, model.plan_noise(batch, {1, 0, tf::stream::noise}));
  tape.backward();
  return losses.mean(exec, 0) >= 0 ? 0 : 1;
}
