// SPDX-License-Identifier: Apache-2.0
// A variant that is not derived from another one must name every policy; the compiler names the one that is missing.
// expect: weighting
#include "transfusion/variant.hpp"

namespace tf = transfusion;

struct from_nothing {
  using mask = tf::paper::mask;
  using codec = tf::paper::codec;
  using schedule = tf::paper::schedule;
  using target = tf::paper::target;
  using time_sampling = tf::paper::time_sampling;
#ifndef TRANSFUSION_KO
  using weighting = tf::paper::weighting;
#endif
  using solver = tf::paper::solver;
  using loss = tf::paper::loss;
  using block = tf::paper::block;
  using position = tf::paper::position;
  using norm = tf::paper::norm;
  using norm_place = tf::paper::norm_place;
  using qk_norm = tf::paper::qk_norm;
  using feed_forward = tf::paper::feed_forward;
  using routing = tf::paper::routing;
  using timestep = tf::paper::timestep;
  using embeddings = tf::paper::embeddings;
};

static_assert(tf::variant<from_nothing>);
