// SPDX-License-Identifier: Apache-2.0
#include "transfusion/cuda/max_pool.cuh"
// The family comes first: its members are what is compiled.
#include "transfusion/cuda/instantiate.cuh"
