// SPDX-License-Identifier: Apache-2.0
// A mask and a schedule of one's own on both policies, compiled without nvcc.
#include <transfusion/exec/cuda.hpp>
#include <transfusion/model.hpp>

#include "own_policy.hpp"

int main() {
  tf::cpu_exec<float> cpu{1};
  return trains(cpu, "cpu") ? trains_on_cuda() : 1;
}
