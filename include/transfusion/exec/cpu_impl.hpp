// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bodies of cpu_exec: the only way to Eigen.
#include "transfusion/exec/cpu/attention.hpp"
#include "transfusion/exec/cpu/attention_backward.hpp"
#include "transfusion/exec/cpu/concatenate.hpp"
#include "transfusion/exec/cpu/convolution.hpp"
#include "transfusion/exec/cpu/dropout.hpp"
#include "transfusion/exec/cpu/elementwise.hpp"
#include "transfusion/exec/cpu/embedding.hpp"
#include "transfusion/exec/cpu/gelu.hpp"
#include "transfusion/exec/cpu/group_norm.hpp"
#include "transfusion/exec/cpu/image.hpp"
#include "transfusion/exec/cpu/image_statistics.hpp"
#include "transfusion/exec/cpu/layer_norm.hpp"
#include "transfusion/exec/cpu/linear.hpp"
#include "transfusion/exec/cpu/loss.hpp"
#include "transfusion/exec/cpu/memory.hpp"
#include "transfusion/exec/cpu/norm.hpp"
#include "transfusion/exec/cpu/optimiser.hpp"
#include "transfusion/exec/cpu/rope.hpp"
#include "transfusion/exec/cpu/sampling.hpp"
