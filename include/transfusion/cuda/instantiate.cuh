// SPDX-License-Identifier: Apache-2.0
#pragma once

// Compiles the members of cuda_exec whose bodies stand above this line, for the closed set of scalar types. A source
// file of the prebuilt kernels includes one family and then this; members without a body there are left to the others.
#include "transfusion/exec/cuda.hpp"

template class transfusion::cuda_exec<float>;
template class transfusion::cuda_exec<transfusion::bf16>;
