// SPDX-License-Identifier: Apache-2.0
// The same mask and schedule, with the kernels compiled here.
#include <transfusion/model.cuh>

#include "own_policy.hpp"

int main() { return trains_on_cuda(); }
