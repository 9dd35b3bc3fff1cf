// SPDX-License-Identifier: Apache-2.0
#include "transfusion/cuda/image_statistics.cuh"
// The family comes first: its members are what is compiled.
#include "transfusion/cuda/instantiate.cuh"
