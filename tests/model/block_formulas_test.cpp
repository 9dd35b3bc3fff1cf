// SPDX-License-Identifier: Apache-2.0
// Blocks of every placement of norms, kind of norm, QK-norm and feed-forward, against the same block written out with
// plain operations and the model's weights.
#define BOOST_TEST_MODULE model_block_formulas
#include <boost/test/unit_test.hpp>
#include <map>
#include <string>

#include "model/small_model.hpp"
#include "transfusion/exec/reference.hpp"

using namespace small_model;

namespace {

using oracle = reference_exec<double>;
using handle = var<oracle>;

enum class place { pre, post, swin };

/// How a block is put together, by numbers instead of types.
struct parts {
  place norms = place::pre;
  bool layer_norm = false;
  bool qk_norm = false;
  bool gelu = false;
};

template <parts P>
struct made_of : paper {
  using norm = std::conditional_t<P.layer_norm, transfusion::norm::layer, transfusion::norm::rms>;
  using norm_place = std::conditional_t<
      P.norms == place::pre, transfusion::norm_place::pre,
      std::conditional_t<P.norms == place::post, transfusion::norm_place::post, transfusion::norm_place::swin>>;
  using qk_norm = std::conditional_t<P.qk_norm, transfusion::qk_norm::on, transfusion::qk_norm::off>;
  using feed_forward = std::conditional_t<P.gelu, transfusion::feed_forward::gelu, transfusion::feed_forward::swiglu>;
};

/// The trunk of a text alone.
template <class Model>
class by_hand {
 public:
  by_hand(Model& m, parts p) : model_(m), parts_(p) {
    m.parameters().each([&](auto w) { weights_[w.name()] = w; });
  }

  handle operator()(tape<oracle>& tape, const packed_batch& batch) {
    const auto& c = model_.config();
    const auto in = model_.inputs(tape, batch, {}, model_.clean(batch));
    const attention_shape shape{c.heads, c.kv_heads, c.width / c.heads,
                                1 / std::sqrt(static_cast<double>(c.width / c.heads))};
    handle x = embedding(tape, in.tokens, w("embedding"));
    for (index_t l = 0; l < c.layers; ++l) {
      const std::string at = "blocks." + std::to_string(l) + ".";
      x = branch(tape, x, at + "attention_norm", [&](handle u) {
        auto q = normed_heads(tape, linear(tape, u, w(at + "attention.wq")), at + "attention.q_norm", c.heads);
        auto k = normed_heads(tape, linear(tape, u, w(at + "attention.wk")), at + "attention.k_norm", c.kv_heads);
        rope(tape, q, in.context.rotation);
        rope(tape, k, in.context.rotation);
        const auto v = linear(tape, u, w(at + "attention.wv"));
        return linear(tape, attention(tape, q, k, v, in.context.keys, shape), w(at + "attention.wo"));
      });
      x = branch(tape, x, at + "feed_forward_norm", [&](handle u) {
        const std::string f = at + "feed_forward.";
        const auto first = linear(tape, u, w(f + "w1"));
        const auto inner = parts_.gelu ? gelu(tape, first) : swiglu(tape, first, linear(tape, u, w(f + "w3")));
        return linear(tape, inner, w(f + "w2"));
      });
    }
    return parts_.norms == place::post ? x : norm(tape, x, "final_norm");
  }

 private:
  template <class F>
  handle branch(tape<oracle>& tape, handle x, const std::string& name, F f) {
    if (parts_.norms == place::pre) return add(tape, x, f(norm(tape, x, name)));
    if (parts_.norms == place::post) return norm(tape, add(tape, x, f(x)), name);
    return add(tape, x, norm(tape, f(x), name));
  }
  handle norm(tape<oracle>& tape, handle x, const std::string& name) {
    const double epsilon = model_.config().norm_epsilon;
    if (parts_.layer_norm) return layer_norm(tape, x, w(name), w(name + ".bias"), epsilon);
    return rms_norm(tape, x, w(name), epsilon);
  }
  /// Each head by itself, as rows of the head width.
  handle normed_heads(tape<oracle>& tape, handle x, const std::string& name, index_t heads) {
    if (!parts_.qk_norm) return x;
    return reshape(tape, norm(tape, reshape(tape, x, x.rows() * heads), name), x.rows());
  }
  parameter<oracle> w(const std::string& name) const { return weights_.at(name); }

  Model& model_;
  parts parts_;
  std::map<std::string, parameter<oracle>> weights_;
};

template <parts P>
void check() {
  oracle exec;
  model<made_of<P>, oracle> m(exec, config<made_of<P>>(), 1);
  shake(m);
  const auto batch = m.pack({{text{{5, 6, 7, 8}}}, {text{{9, 10}}}});
  tape<oracle> t(exec, recording::off), u(exec, recording::off);
  const auto found = on_host(exec, m.forward(t, m.inputs(t, batch, {}, m.clean(batch))).hidden.value());
  const auto expected = on_host(exec, by_hand(m, P)(u, batch).value());
  BOOST_TEST(normalised_error(found, expected) < 1e-13, "norms " << static_cast<int>(P.norms) << ", layer norm "
                                                                 << P.layer_norm << ", QK-norm " << P.qk_norm
                                                                 << ", GELU " << P.gelu);
}

}  // namespace

BOOST_AUTO_TEST_CASE(blocks_are_what_their_parts_say) {
  check<parts{}>();
  check<parts{.norms = place::post}>();
  check<parts{.norms = place::swin}>();
  check<parts{.layer_norm = true}>();
  check<parts{.qk_norm = true}>();
  check<parts{.gelu = true}>();
  check<parts{place::post, true, true, true}>();
  check<parts{place::swin, true, true, true}>();
}

// Smoothing spreads a share of each target over the vocabulary: (1 − s)·(−log p) + s·(the mean of −log p).
BOOST_AUTO_TEST_CASE(smoothed_losses) {
  oracle exec;
  auto sizes = config();
  model<paper, oracle> plain(exec, sizes, 1);
  sizes.label_smoothing = 0.25;
  model<paper, oracle> smooth(exec, sizes, 1);
  shake(plain);
  shake(smooth);
  const auto batch = plain.pack({{text{{5, 6, 7}}}});
  const auto plan = plain.clean(batch);
  tape<oracle> t(exec, recording::off), u(exec, recording::off);
  const auto out = plain.forward(t, plain.inputs(t, batch, {}, plan));
  const auto logits = on_host(exec, plain.logits(t, out.hidden.value()));
  const auto losses = on_host(exec, smooth.loss(u, batch, plan).terms[0].each);
  const auto vocabulary = static_cast<std::size_t>(sizes.vocabulary);
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const double* row = &logits[static_cast<std::size_t>(batch.text_rows[i]) * vocabulary];
    double z = 0, mean = 0;
    for (std::size_t v = 0; v < vocabulary; ++v) z += std::exp(row[v]);
    for (std::size_t v = 0; v < vocabulary; ++v) mean += (std::log(z) - row[v]) / static_cast<double>(vocabulary);
    const token_t target = batch.targets[static_cast<std::size_t>(batch.text_rows[i])];
    const double expected = 0.75 * (std::log(z) - row[target]) + 0.25 * mean;
    BOOST_TEST(losses[i] == expected, boost::test_tools::tolerance(1e-12));
  }
}
