// SPDX-License-Identifier: Apache-2.0
// A policy that lacks one operation of a group is refused by that group, operation by operation.
// expect: e.upload(
// expect: e.normal(
// expect: e.dropout(
// expect: e.linear(
// expect: e.convolution(
// expect: e.rms_norm(
// expect: e.group_norm(
// expect: e.attention(
// expect: e.swiglu(
// expect: e.concatenate(
// expect: e.mix(
// expect: e.dynamic_threshold(
// expect: e.cross_entropy(
// expect: e.gaussian_sample(
// expect: e.sample_tokens(
// expect: e.adamw(
#include "transfusion/exec/reference.hpp"

using complete = transfusion::reference_exec<double>;

// Each hides one operation of the base.
#ifdef TRANSFUSION_KO
#define WITHOUT(operation)                \
  struct without_##operation : complete { \
    void operation();                     \
  }
#else
#define WITHOUT(operation) \
  struct without_##operation : complete {}
#endif

WITHOUT(upload);
WITHOUT(normal);
WITHOUT(dropout);
WITHOUT(linear);
WITHOUT(convolution);
WITHOUT(rms_norm);
WITHOUT(group_norm);
WITHOUT(attention);
WITHOUT(swiglu);
WITHOUT(concatenate);
WITHOUT(mix);
WITHOUT(dynamic_threshold);
WITHOUT(cross_entropy);
WITHOUT(gaussian_sample);
WITHOUT(sample_tokens);
WITHOUT(adamw);

static_assert(transfusion::memory_operations<without_upload>);
static_assert(transfusion::random_operations<without_normal>);
static_assert(transfusion::random_operations<without_dropout>);
static_assert(transfusion::dense_operations<without_linear>);
static_assert(transfusion::dense_operations<without_convolution>);
static_assert(transfusion::norm_operations<without_rms_norm>);
static_assert(transfusion::norm_operations<without_group_norm>);
static_assert(transfusion::attention_operations<without_attention>);
static_assert(transfusion::elementwise_operations<without_swiglu>);
static_assert(transfusion::elementwise_operations<without_concatenate>);
static_assert(transfusion::image_operations<without_mix>);
static_assert(transfusion::image_operations<without_dynamic_threshold>);
static_assert(transfusion::loss_operations<without_cross_entropy>);
static_assert(transfusion::latent_operations<without_gaussian_sample>);
static_assert(transfusion::sampling_operations<without_sample_tokens>);
static_assert(transfusion::optimiser_operations<without_adamw>);
