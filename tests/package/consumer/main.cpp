// SPDX-License-Identifier: Apache-2.0
// One of two sources that include everything: a function that is not inline would be defined twice.
#include <cstdio>

#include "everything.hpp"

double product_of_other_source();

int main() {
  transfusion::cpu_exec<float> exec{1};
  const float x[] = {1, 2, 3, 4, 5, 6}, w[] = {1, 0, -1};
  float y[2] = {};
  exec.linear({y, 2, 1}, {x, 2, 3}, {w, 1, 3}, {});  // each row: first minus last
  const double other = product_of_other_source();
  std::printf("transfusion %d: %g %g %g\n", transfusion::version, static_cast<double>(y[0]), static_cast<double>(y[1]),
              other);
  return y[0] == -2 && y[1] == -2 && other == 11 ? 0 : 1;
}
