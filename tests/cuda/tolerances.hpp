// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <tuple>
#include <type_traits>

#include "transfusion/core/bf16.hpp"

// How far each operation of the CUDA policy may be from the same in double.
namespace cuda_tests {

using transfusion::bf16;

/// What the policy is tested for: the columns of the table.
using scalars = std::tuple<float, bf16>;

struct tolerance {
  std::string_view operation;
  double for_float, for_bf16;
};

/// The tolerances. What they are shares of: see the measure that stands above its rows. Sums, statistics, losses and
/// gradients of weights are held in float by both policies, so their two columns are the same.
/// Not in here, as they must be right in every bit: embedding, gather_rows, scatter_rows, write_rows, concatenate,
/// clamp, max_pool, nearest_rows, sample_tokens and normal.
inline constexpr tolerance tolerances[] = {
    // share_of_limit: beside the one rounding of each value to its type, so much of the array's largest value.
    {"add", 1e-15, 1e-15},                     // one sum: nothing but the rounding
    {"accumulate", 1e-15, 1e-15},              // the same
    {"multiply", 1e-15, 1e-15},                // one product
    {"multiply_backward", 2e-7, 2e-7},         // a product in float and at most one sum
    {"dropout", 4e-7, 4e-7},                   // the scale in float, a product and at most one sum
    {"gelu", 1e-6, 1e-6},                      // some units of erf in float, times x
    {"gelu_backward", 1e-6, 1e-6},             // the same, and an exponential
    {"leaky_relu", 1e-7, 1e-7},                // the slope in float, and one product
    {"leaky_relu_backward", 2e-7, 2e-7},       // the same, and at most one sum
    {"silu", 1e-6, 1e-6},                      // up to eight roundings in float
    {"swiglu", 1e-6, 1e-6},                    // and one product
    {"silu_backward", 1e-6, 1e-6},             // covers the slope near its zero, where 1 and x (1 - s) cancel
    {"swiglu_backward", 1e-6, 1e-6},           // the same
    {"timestep_embedding", 1e-12, 1e-12},      // the angles are worked out in double
    {"rope_table", 1e-12, 1e-12},              // the same, held in float
    {"rope", 1e-6, 1e-6},                      // two products in float and their sum
    {"rms_norm", 1e-6, 1e-6},                  // a sum over a row, of up to 8300 terms, each lane at most 33 in turn
    {"rms_norm_inverse", 1e-6, 1e-6},          // the same, held in float
    {"add_rms_norm_sum", 1e-15, 1e-15},        // one sum
    {"rms_norm_backward", 1e-6, 1e-6},         // one sum over a row
    {"rms_norm_backward_dw", 1e-6, 1e-6},      // sums over the rows, held in float
    {"layer_norm", 1e-6, 1e-6},                // two sums over a row
    {"layer_norm_backward", 2e-6, 2e-6},       // the same
    {"layer_norm_backward_dw", 2e-6, 2e-6},    // sums over the rows, held in float; db too
    {"group_norm", 2e-6, 2e-6},                // sums over up to 5000 values, each thread at most 16 in turn
    {"group_norm_backward", 2e-6, 2e-6},       // the same
    {"group_norm_backward_dw", 2e-6, 2e-6},    // sums over the rows, held in float; db too
    {"scatter_rows_backward", 1e-15, 1e-15},   // at most one sum of two
    {"gather_rows_backward", 4e-6, 4e-6},      // up to 131 terms of size 1, one after another in float
    {"concatenate_backward", 1e-15, 1e-15},    // at most one sum of two
    {"patchify", 0, 0},                        // one rounding; unpatchify too
    {"unpatchify_backward", 1e-15, 1e-15},     // at most one sum of two
    {"mix", 4e-7, 4e-7},                       // two roundings in float of products of the result's size
    {"match_deviation", 4e-7, 4e-7},           // sums in double; the factor in float and one product
    {"dynamic_threshold", 4e-7, 4e-7},         // the same; the order statistic is exact
    {"scaled_error", 1e-6, 1e-6},              // some roundings in float of each share, all positive
    {"pointwise_error", 2e-6, 2e-6},           // a sum of up to 10752 errors in float, 42 in turn
    {"pointwise_error_large", 4e-6, 4e-6},     // 245760 errors, in slices
    {"pointwise_error_backward", 1e-6, 1e-6},  // a difference and a product in float
    {"max_pool_backward", 1e-6, 1e-6},         // at most 28 terms in float
    {"gaussian_sample", 1e-6, 1e-6},           // an exponential, a product and a sum in float
    {"gaussian_sample_kl", 2e-6, 2e-6},        // sums over up to 20000 latents, each thread at most 79 in turn
    {"gaussian_sample_backward", 2e-6, 2e-6},  // exponentials, some products and at most two sums
    {"sum_of_squares", 0x1.8p-23, 0x1.8p-23},  // four squares in float, the rest in double; all are positive
    {"adamw", 2e-6, 2e-6},                     // three steps, each some roundings of w, m, v and the average
    // device_array::error: so much of its row's largest value, or of the size that the test names.
    {"rope_and_back", 0x1.8p-23 + 1e-6, 0x1.8p-7 + 1e-6},  // of 1: three roundings of T, and the table's
    {"linear", 1e-5, 0x1p-8 + 1e-5},  // up to 600 terms in float: their error grows as their root; one rounding
    {"logits", 1e-5, 1e-5},           // the same, held in float
    {"linear_backward_dx", 1e-5, 0x1p-8 + 1e-5},
    {"linear_backward_dw", 1e-5, 1e-5},
    {"linear_backward_db", 1e-5, 1e-5},
    {"convolution", 1e-5, 0x1p-8 + 1e-5},  // a product over all taps: as linear
    {"convolution_backward_dx", 1e-5, 0x1p-8 + 1e-5},
    {"convolution_backward_dw", 1e-5, 1e-5},
    {"convolution_backward_db", 1e-5, 1e-5},
    {"layer_norm_statistics", 1e-6, 1e-6},  // of 1, or 1/deviation where that is more: a row's sums, held in float
    {"group_norm_statistics", 2e-6, 2e-6},  // the same, over a group
    {"cross_entropy", 1e-5, 1e-5},          // loss and log Z; logits are in float
    {"cross_entropy_dx", 1e-5, 0x1p-7},     // each logit's gradient is rounded before the sums, and dx once more
    {"cross_entropy_dw", 1e-5, 0x1p-7},     // the same with other sums, held in float
    {"embedding_backward", 1e-5, 1e-5},     // up to 300 terms in float
    // attention_problem.hpp: with the roundings that the kernels make, so much of what the terms' sizes add up to.
    {"attention", 0x1p-17, 0x1p-17},         // sums and exponentials in float, some units of 2^-24 each
    {"attention_lse", 0x1p-17, 0x1p-17},     // of 1 + |lse|
    {"attention_large_scores", 0.01, 0.01},  // of 1: scores of 1000 carry 1e-4 in float, their exponentials then too
    // attention_backward_test.cpp: the same. A sum of n terms in float is off by n 2^-24 of their sizes at the most; n
    // is the head width inside P and dS, and outside the rows and heads that a gradient sums over: 128 + 4 * 200 on
    // tensor cores, and as much as the exponential adds; 13 + 4 * 70 in the plain kernels, lane by lane over a head.
    {"attention_backward", 0x1p-15, 0x1p-13},
};

/// The tolerance of an operation whose policy computes in T.
template <class T>
consteval double limit(std::string_view operation) {
  for (const tolerance& t : tolerances)
    if (t.operation == operation) return std::is_same_v<T, bf16> ? t.for_bf16 : t.for_float;
  throw "tolerances has no such operation";
}

/// How far PyTorch is off that does the same in bfloat16: the largest error, measured in the same way, as a share of
/// `for_bf16`. Of tests/golden/bf16_errors.py.
struct torch_error {
  std::string_view operation;
  double for_bf16, share;
};
inline constexpr torch_error torch_errors[] = {
#include "golden/bf16_errors.txt"
};

/// Ours may err twice as much as PyTorch does. A new tolerance needs a new figure.
constexpr bool within_twice_torch() {
  for (const tolerance& t : tolerances) {
    bool within = false;
    for (const torch_error& e : torch_errors)
      within = within || (e.operation == t.operation && e.for_bf16 == t.for_bf16 && 2 * e.share >= 1);
    if (!within) return false;
  }
  return true;
}
static_assert(within_twice_torch());

}  // namespace cuda_tests
