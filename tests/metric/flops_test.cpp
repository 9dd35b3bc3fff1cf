// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE metric_flops
#include <boost/test/unit_test.hpp>
#include <string>

#include "model/small_model.hpp"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/metric/flops.hpp"

using namespace small_model;

namespace {

/// Counts the operations of products and attentions as they are asked for.
struct counting_exec : cpu_exec<double> {
  double flops = 0;

  void linear(matrix y, const_matrix x, const_matrix w, const_vector b) {
    flops += 2 * static_cast<double>(x.rows() * w.size());
    cpu_exec::linear(y, x, w, b);
  }
  void convolution(matrix y, const_matrix x, const_matrix w, const_vector b, view<const token_t, 2> taps) {
    flops += 2 * static_cast<double>(taps.rows() * w.size());
    cpu_exec::convolution(y, x, w, b, taps);
  }
  void attention(matrix o, matrix lse, const_matrix q, const_matrix k, const_matrix v, key_intervals keys,
                 attention_shape shape) {
    for (index_t i = 0; i < keys.size(); ++i)
      flops += 4 * static_cast<double>(keys.data[i].end - keys.data[i].begin) * static_cast<double>(q.cols());
    cpu_exec::attention(o, lse, q, k, v, keys, shape);
  }
};

struct with_unet : paper {
  using codec = transfusion::codec::unet;
};
struct all_apart : paper {
  using routing = transfusion::routing::all;
};

/// What a pass counts, but for the layers of the timestep, is what the formula says; the head's part is added, as it is
/// no product of this policy's.
template <class Variant>
void compare(const model_config<Variant>& c) {
  counting_exec exec;
  model<Variant, counting_exec> m(exec, c, 1);
  const auto batch = m.pack(documents());
  tape<counting_exec> tape(exec, recording::off);
  const std::vector<double> values(batch.values.begin(), batch.values.end());
  const auto in = m.inputs(tape, batch, tape.upload(values), m.clean(batch));
  exec.flops = 0;
  m.forward(tape, in);
  double time_weights = 0, norms = 0, biases = 0;
  m.parameters().each([&](auto p) {
    const std::string& name = p.name();
    const bool of_time = name.find(".time.") != std::string::npos;
    if (of_time && name.ends_with(".weight")) time_weights += static_cast<double>(p.size());
    if (name.starts_with("blocks.") && name.ends_with("_norm")) norms += static_cast<double>(p.size());
    if (!of_time && name.starts_with("codec.") && name.ends_with(".bias")) biases += static_cast<double>(p.size());
  });
  const double head = 2 * static_cast<double>(m.head().size() * batch.text_targets());
  const double products = exec.flops - 2 * time_weights * 4 + head;  // four images
  // The formula counts norms, and the biases of a codec that does not count itself, as if they were in products.
  const bool counts_itself = requires { m.template modality<0>().codec.forward_flops(image_shape{}); };
  const double beside = 2 * static_cast<double>(batch.rows()) * norms +
                        (counts_itself ? 0 : 2 * static_cast<double>(batch.patches()) * biases);
  BOOST_TEST(forward_flops(m, batch) == products + beside, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(training_flops(m, batch) == 3 * forward_flops(m, batch));
}

}  // namespace

BOOST_AUTO_TEST_CASE(counted_operations_are_the_formulas) {
  compare(config<paper>());
  compare(config<causal_only>());
  compare(config<all_apart>());
  auto c = config<with_unet>();
  c.codec = {.channels = 2,
             .patch = 2,
             .level_channels = {8, 16, 16, 16},
             .blocks = 2,
             .groups = 2,
             .heads = 2,
             .time_width = 8};
  compare(c);
}
