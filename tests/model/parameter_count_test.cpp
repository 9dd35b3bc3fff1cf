// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_parameter_count
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>

#include "support/policies.hpp"
#include "transfusion/model.hpp"

using namespace transfusion;

namespace {

struct size {
  const char* name;
  double millions;       ///< of everything but the codec
  double millions_to;    ///< how exactly that is known
  double codec_percent;  ///< paper Table 7, "linear": share of the rest, to 0.05
};
// Llama's feed-forward rule, 32,000 tokens, embeddings not tied.
constexpr size sizes[] = {{"0.16B", 162.4, 0.05, 0.5},
                          {"0.37B", 373.9, 0.05, 0.4},
                          {"0.76B", 777.9, 0.05, 0.4},
                          {"1.4B", 1364, 0.5, 0.4},
                          {"7B", 6738, 0.5, 0.3}};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(the_papers_five_sizes, Exec, test_support::policies) {
  for (const size& s : sizes) {
    const auto config = paper_config(s.name);
    const auto all = static_cast<double>(model<paper, Exec>::parameter_count(config));
    const auto codec = static_cast<double>(model<paper, Exec>::parameter_count(config, "codec."));
    BOOST_TEST(std::abs((all - codec) / 1e6 - s.millions) <= s.millions_to, s.name << ": " << (all - codec) / 1e6);
    BOOST_TEST(std::abs(100 * codec / (all - codec) - s.codec_percent) <= 0.05,
               s.name << ": codec " << 100 * codec / (all - codec) << " %");
  }
}

// Worked out by hand for the smallest: 2·V·D embeddings, L·(4D² + 3DF + 2D) blocks, D final norm.
BOOST_AUTO_TEST_CASE(the_smallest_part_by_part) {
  using small = model<paper, reference_exec<double>>;
  const auto config = paper_config("0.16B");
  constexpr index_t L = 16, D = 768, F = 2048, V = 32000, patch = 8 * 2 * 2;
  BOOST_TEST(small::parameter_count(config, "embedding") == V * D);
  BOOST_TEST(small::parameter_count(config, "head") == V * D);
  BOOST_TEST(small::parameter_count(config, "blocks.0.") == 4 * D * D + 3 * D * F + 2 * D);
  BOOST_TEST(small::parameter_count(config, "blocks.") == L * (4 * D * D + 3 * D * F + 2 * D));
  BOOST_TEST(small::parameter_count(config, "final_norm") == D);
  BOOST_TEST(small::parameter_count(config, "codec.in.") == patch * D + D);
  BOOST_TEST(small::parameter_count(config, "codec.out.") == patch * D + patch);
  BOOST_TEST(small::parameter_count(config, "codec.time.") == 256 * D + D + D * D + D);
}

BOOST_AUTO_TEST_CASE(the_feed_forward_rule) {
  const auto hidden = [](index_t width, index_t heads) {
    return completed(model_config<paper>{.layers = 1, .width = width, .heads = heads, .vocabulary = 10}).feed_forward;
  };
  BOOST_TEST(hidden(768, 12) == 2048);
  BOOST_TEST(hidden(1024, 16) == 2816);
  BOOST_TEST(hidden(1536, 24) == 4096);
  BOOST_TEST(hidden(2048, 16) == 5632);
  BOOST_TEST(hidden(4096, 32) == 11008);
  BOOST_TEST(hidden(128, 4) == 352);
}

// A model holds what was counted.
BOOST_AUTO_TEST_CASE_TEMPLATE(counted_is_what_is_made, Exec, test_support::policies) {
  Exec exec;
  const model_config<paper> config{.layers = 3, .width = 24, .heads = 4, .vocabulary = 50, .kv_heads = 2};
  model<paper, Exec> m(exec, config, 1);
  BOOST_TEST(m.parameters().count() == (model<paper, Exec>::parameter_count(config)));
}
