// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_determinism
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <tuple>

#include "model/small_model.hpp"
#include "support/policies.hpp"
#include "transfusion/train/adamw.hpp"

using namespace small_model;

namespace {

/// Large enough that the operations are cut into several pieces.
model_config<paper> wide() {
  model_config<paper> c{.layers = 2, .width = 64, .heads = 4, .vocabulary = 520, .kv_heads = 2};
  c.codec.channels = 2;
  return c;
}
std::vector<document> many_documents(std::uint64_t seed) {
  std::vector<document> docs;
  for (std::uint64_t d = 0; d < 9; ++d) {
    std::vector<token_t> words;
    for (std::uint64_t i = 0; i < 30 + 3 * d; ++i)
      words.push_back(static_cast<token_t>(4 + random_key{seed, 0, stream::test}.below(100 * d + i, 510)));
    docs.push_back({text{words}, drawn_image(10, 12, seed + d), text{{5}}});
    if (d % 3 == 0) docs.back().segments.push_back(drawn_image(4, 20, seed + 50 + d));
  }
  return docs;
}

/// Everything that a few optimiser steps leave: weights, moments, average, gradient norms and losses.
template <class Exec>
std::vector<typename Exec::scalar> train(Exec& exec, std::uint64_t seed) {
  using scalar = typename Exec::scalar;
  model<paper, Exec> m(exec, wide(), seed);
  adamw<Exec> optimiser(exec, m.parameters(), {.ema_decay = 0.9});
  std::vector<scalar> trace;
  tape<Exec> tape(exec);
  for (std::uint32_t step = 0; step < 2; ++step) {
    tape.reset();
    const auto batch = m.pack(many_documents(seed + step));
    const auto losses = m.loss(tape, batch, m.plan_noise(batch, {seed, step, stream::noise}));
    for (std::size_t i = 0; i < 2; ++i) trace.push_back(static_cast<scalar>(losses.mean(exec, i)));
    tape.backward();
    trace.push_back(static_cast<scalar>(optimiser.gradient_norm()));
    optimiser.step(step, 1e-3);
  }
  for (const auto& block :
       {m.parameters().values(), optimiser.first_moment(), optimiser.second_moment(), optimiser.average()}) {
    const auto host = on_host(exec, block);
    trace.insert(trace.end(), host.begin(), host.end());
  }
  return trace;
}

using cpu_policies = std::tuple<cpu_exec<float>, cpu_exec<double>>;

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(bits_do_not_depend_on_the_threads, Exec, cpu_policies) {
  Exec one(1), two(2), three(3);
  const auto expected = train(one, 5);
  BOOST_TEST(same_bits(train(two, 5), expected));
  BOOST_TEST(same_bits(train(three, 5), expected));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_same_seed_gives_the_same_bits, Exec, cpu_policies) {
  Exec exec, again;
  const auto first = train(exec, 5);
  for (auto v : first) BOOST_REQUIRE(std::isfinite(v));
  BOOST_TEST(same_bits(train(exec, 5), first));
  BOOST_TEST(same_bits(train(again, 5), first));
  BOOST_TEST(!same_bits(train(exec, 6), first));
}
