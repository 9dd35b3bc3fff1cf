// SPDX-License-Identifier: Apache-2.0
#pragma once

// For a user's own .cu: all of model.hpp, and the CUDA policy with its bodies. Who links transfusion::cuda_kernels
// needs exec/cuda.hpp only, and no nvcc. cpu_exec has no bodies here: link transfusion::cpu_kernels to use it beside.
#include "transfusion/cuda/exec_impl.cuh"
#include "transfusion/model.hpp"
