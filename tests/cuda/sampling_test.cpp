// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_sampling
#include <boost/test/unit_test.hpp>
#include <tuple>

#include "exec/sampling_cases.hpp"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/cuda/sampling.cuh"

using namespace sampling_cases;

namespace {

using policies = std::tuple<cuda_exec<float>, cuda_exec<bf16>>;

}  // namespace

// Less than a warp, than a block and than a stretch of the scan; several stretches; no multiple of anything.
BOOST_AUTO_TEST_CASE_TEMPLATE(tokens_are_drawn_as_defined, Exec, policies) {
  check_definition<Exec>({.draws = 96, .rows = 20, .vocabularies = {2, 31, 300, 2049, 6001}, .seed = 100});
}

BOOST_AUTO_TEST_CASE(rows_are_sorted_in_chunks_of_a_fixed_size) {
  static_assert(transfusion::cuda::sampling_rows(10, 32000) == 10);
  static_assert(transfusion::cuda::sampling_rows(1000, 32000) == 131);
  static_assert(transfusion::cuda::sampling_rows(1000, 262144) == 16);
  static_assert(transfusion::cuda::sampling_rows(3, transfusion::cuda::sorted_logits + 1) == 1);
  static_assert(transfusion::cuda::sampling_rows(3, index_t{1} << 31) == 1);
}

// Two rows in the first chunk, one in the second.
BOOST_AUTO_TEST_CASE(rows_of_several_chunks_match_the_definition) {
  constexpr index_t vocabulary = transfusion::cuda::sorted_logits / 5 * 2;
  static_assert(transfusion::cuda::sampling_rows(3, vocabulary) == 2);
  cuda_exec<float> exec;
  rows_of<cuda_exec<float>> logits(3);
  std::mt19937 random(5);
  for (auto& row : logits)
    for (index_t t = 0; t < vocabulary; ++t) row.push_back(std::normal_distribution<float>()(random));
  const text_sampling s{.temperature = 1, .top_k = 5000, .top_p = 0.95};
  const std::vector<double> u = {0.125, 0.625, 0.375};
  const std::vector<tokens> forbidden(3, {5});
  const tokens found = draw(exec, logits, s, u, forbidden);
  for (std::size_t r = 0; r < 3; ++r) {
    const expected_draw e = expect(logits[r], s, u[r], forbidden[r]);
    BOOST_TEST(e.clear > 1e-12);
    BOOST_TEST(found[r] == e.token);
  }
}
