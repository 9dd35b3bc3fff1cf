// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/autograd/op/add.hpp"
#include "transfusion/autograd/op/attention.hpp"
#include "transfusion/autograd/op/dropout.hpp"
#include "transfusion/autograd/op/embedding.hpp"
#include "transfusion/autograd/op/head_cross_entropy.hpp"
#include "transfusion/autograd/op/join_rows.hpp"
#include "transfusion/autograd/op/linear.hpp"
#include "transfusion/autograd/op/reshape.hpp"
#include "transfusion/autograd/op/rms_norm.hpp"
#include "transfusion/autograd/op/rope.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/autograd/op/squared_error.hpp"
#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/autograd/op/timestep_embedding.hpp"
#include "transfusion/codec/linear_patch.hpp"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/layer/trunk.hpp"

/// What transfusion::cpu_kernels holds compiled beside the policy itself, so that one more variant costs its user
/// little: the paper's blocks and codec, and the operations that every model calls. `linkage` is `extern`, or nothing
/// where they are compiled.
#define TRANSFUSION_PREBUILT_PARTS(linkage)                                                                           \
  linkage template class tape<cpu_exec<float>>;                                                                       \
  linkage template class parameter_set<cpu_exec<float>>;                                                              \
  linkage template class layer::trunk<block::transformer, cpu_exec<float>, block_parts<>>;                            \
  linkage template struct codec::linear_patch::layer<cpu_exec<float>>;                                                \
  linkage template var<cpu_exec<float>> add(tape<cpu_exec<float>>&, var<cpu_exec<float>>, var<cpu_exec<float>>);      \
  linkage template added_and_normed<cpu_exec<float>> add_rms_norm(                                                    \
      tape<cpu_exec<float>>&, var<cpu_exec<float>>, var<cpu_exec<float>>, parameter<cpu_exec<float>>, double);        \
  linkage template var<cpu_exec<float>> attention(tape<cpu_exec<float>>&, var<cpu_exec<float>>, var<cpu_exec<float>>, \
                                                  var<cpu_exec<float>>, key_intervals, attention_shape);              \
  linkage template var<cpu_exec<float>> dropout(tape<cpu_exec<float>>&, var<cpu_exec<float>>, random_key, double,     \
                                                index_t);                                                             \
  linkage template var<cpu_exec<float>> embedding(tape<cpu_exec<float>>&, view<const token_t, 1>,                     \
                                                  parameter<cpu_exec<float>>);                                        \
  linkage template var<cpu_exec<float>> gather_rows(tape<cpu_exec<float>>&, var<cpu_exec<float>>,                     \
                                                    view<const token_t, 1>);                                          \
  linkage template token_losses<cpu_exec<float>> head_cross_entropy(                                                  \
      tape<cpu_exec<float>>&, var<cpu_exec<float>>, parameter<cpu_exec<float>>, view<const token_t, 1>,               \
      view<const float, 1>, double, double);                                                                          \
  linkage template var<cpu_exec<float>> join_rows(tape<cpu_exec<float>>&,                                             \
                                                  std::span<const placed_rows<cpu_exec<float>>>, index_t);            \
  linkage template var<cpu_exec<float>> linear(tape<cpu_exec<float>>&, var<cpu_exec<float>>,                          \
                                               parameter<cpu_exec<float>>, parameter<cpu_exec<float>>);               \
  linkage template var<cpu_exec<float>> reshape(tape<cpu_exec<float>>&, var<cpu_exec<float>>, index_t);               \
  linkage template var<cpu_exec<float>> rms_norm(tape<cpu_exec<float>>&, var<cpu_exec<float>>,                        \
                                                 parameter<cpu_exec<float>>, double);                                 \
  linkage template void rope(tape<cpu_exec<float>>&, var<cpu_exec<float>>, view<const float, 2>);                     \
  linkage template var<cpu_exec<float>> scatter_rows(tape<cpu_exec<float>>&, var<cpu_exec<float>>,                    \
                                                     var<cpu_exec<float>>, view<const token_t, 1>);                   \
  linkage template var<cpu_exec<float>> silu(tape<cpu_exec<float>>&, var<cpu_exec<float>>);                           \
  linkage template view<float, 1> squared_error(tape<cpu_exec<float>>&, var<cpu_exec<float>>, view<const float, 1>,   \
                                                view<const image_place, 1>, view<const float, 1>);                    \
  linkage template var<cpu_exec<float>> swiglu(tape<cpu_exec<float>>&, var<cpu_exec<float>>, var<cpu_exec<float>>);   \
  linkage template var<cpu_exec<float>> timestep_embedding(tape<cpu_exec<float>>&, view<const float, 1>, index_t,     \
                                                           double);

#if defined(TRANSFUSION_CPU_PREBUILT)
namespace transfusion {
TRANSFUSION_PREBUILT_PARTS(extern)
}  // namespace transfusion
#endif
