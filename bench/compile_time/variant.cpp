// SPDX-License-Identifier: Apache-2.0
// What one more variant costs to compile: a model of it, its loss and the way back.
#include "transfusion/model.hpp"

namespace tf = transfusion;

struct rectified : tf::paper {
  using mask = tf::mask::causal;
  using schedule = tf::schedule::rectified_flow;
  using target = tf::target::velocity;
};

int main() {
  tf::cpu_exec<float> exec;
  tf::model<rectified, tf::cpu_exec<float>> model{exec, {.layers = 2, .width = 64, .heads = 2, .vocabulary = 32}, 1};
  const auto batch = model.pack({tf::document{}});
  tf::tape<tf::cpu_exec<float>> tape{exec};
  const auto losses = model.loss(tape, batch, model.plan_noise(batch, {1, 0, tf::stream::noise}));
  tape.backward();
  return losses.mean(exec, 0) >= 0 ? 0 : 1;
}
