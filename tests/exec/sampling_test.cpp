// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE exec_sampling
#include <boost/test/unit_test.hpp>

#include "exec/sampling_cases.hpp"
#include "support/policies.hpp"
#include "transfusion/generate/text_sampling.hpp"

using namespace sampling_cases;
using test_support::policies;

BOOST_AUTO_TEST_CASE_TEMPLATE(tokens_are_drawn_as_defined, Exec, policies) {
  check_definition<Exec>({.draws = 4096, .rows = 60, .vocabularies = {2, 3, 17, 300, 2500}, .seed = 0});
}

// The same numbers as the function that users call with logits of their own.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_row_draws_as_sample_token_does, Exec, policies) {
  using real = typename Exec::real;
  Exec exec;
  std::mt19937 random(7);
  rows_of<Exec> logits(50);
  for (auto& row : logits)
    for (int t = 0; t < 90; ++t) row.push_back(static_cast<real>(std::normal_distribution<double>()(random)));
  const std::vector<double> u = even(64);
  for (const text_sampling& s : {text_sampling{}, text_sampling{.temperature = 0.7, .top_k = 20, .top_p = 0.81}}) {
    const tokens found = draw(exec, logits, s, {u.begin(), u.begin() + 50});
    for (std::size_t r = 0; r < logits.size(); ++r) BOOST_TEST(found[r] == sample_token(logits[r], s, u[r]));
  }
}

#ifndef TRANSFUSION_TEST_CUDA
BOOST_AUTO_TEST_CASE(any_number_of_threads_draws_the_same) {
  const auto with = [](int threads) {
    cpu_exec<float> exec(threads);
    rows_of<cpu_exec<float>> logits(40);
    std::mt19937 random(9);
    for (auto& row : logits)
      for (int t = 0; t < 500; ++t) row.push_back(std::normal_distribution<float>()(random));
    return draw(exec, logits, {.temperature = 1, .top_p = 0.9}, even(40));
  };
  const tokens one = with(1);
  BOOST_TEST(with(2) == one);
  BOOST_TEST(with(5) == one);
}
#endif
