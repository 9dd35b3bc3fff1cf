// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bodies of cuda_exec, for programs whose own .cu files compile them.
#include "transfusion/cuda/attention.cuh"
#include "transfusion/cuda/attention_backward.cuh"
#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/cross_entropy.cuh"
#include "transfusion/cuda/elementwise.cuh"
#include "transfusion/cuda/embedding.cuh"
#include "transfusion/cuda/image.cuh"
#include "transfusion/cuda/linear.cuh"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/cuda/norm.cuh"
#include "transfusion/cuda/optimiser.cuh"
#include "transfusion/cuda/random.cuh"
#include "transfusion/cuda/repeat.cuh"
#include "transfusion/cuda/rope.cuh"
#include "transfusion/cuda/rows.cuh"
#include "transfusion/cuda/sampling.cuh"
#include "transfusion/cuda/squared_error.cuh"
