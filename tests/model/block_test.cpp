// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_block
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <string>

#include "model/block_variants.hpp"
#include "support/temporary_folder.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/io/model_file.hpp"
#include "transfusion/train/trainer.hpp"

using namespace small_model;

namespace {

using oracle = reference_exec<double>;

template <class Variant>
model_config<Variant> wide_config() {
  auto c = config<Variant>();
  c.width = 16;
  return c;
}

/// The hidden rows of a batch, every image at one time.
template <class Variant>
std::vector<double> hidden(const model<Variant, oracle>& m, const packed_batch& batch, double time = 0.4) {
  tape<oracle> tape(m.exec(), recording::off);
  auto plan = m.clean(batch);
  for (noise_level& level : plan.levels) level.time = time;
  const std::vector<double> values(batch.values.begin(), batch.values.end());
  return on_host(m.exec(), m.forward(tape, m.inputs(tape, batch, tape.upload(values), plan)).hidden.value());
}

bool row_differs(const std::vector<double>& a, const std::vector<double>& b, index_t row, std::size_t width = 16) {
  const auto begin = static_cast<std::ptrdiff_t>(static_cast<std::size_t>(row) * width);
  return !std::equal(a.begin() + begin, a.begin() + begin + static_cast<std::ptrdiff_t>(width), b.begin() + begin);
}

template <class Variant>
double largest_gradient(model<Variant, oracle>& m, const std::vector<document>& docs, std::string_view prefix) {
  const auto batch = m.pack(docs);
  gradients(m, batch, m.plan_noise(batch, step_key));
  double largest = 0;
  m.parameters().each([&](auto p) {
    if (std::string_view(p.name()).starts_with(prefix))
      for (double g : on_host(m.exec(), p.flat_gradient())) largest = std::max(largest, std::abs(g));
  });
  return largest;
}

}  // namespace

// --- timestep
// ---------------------------------------------------------------------------------------------------------

// Every gate starts at 0: the rows of an image leave the trunk as they entered it, whatever stands before them.
BOOST_AUTO_TEST_CASE(adaln_zero_starts_without_blocks) {
  oracle exec;
  model<adaln_timed, oracle> m(exec, wide_config<adaln_timed>(), 1);
  auto docs = documents();
  const auto batch = m.pack(docs);
  std::get<text>(docs[0].segments[0]).tokens = {12, 12, 12};
  const auto before = hidden(m, batch), after = hidden(m, m.pack(docs));
  const span& first = batch.table.spans()[0];
  for (index_t q = first.begin; q < first.end; ++q) BOOST_TEST(!row_differs(before, after, q));
  BOOST_TEST(row_differs(before, after, first.end));
  BOOST_TEST(before == hidden(m, batch, 0.9));  // and every shift and scale as if there were no time

  shake(m);
  const auto early = hidden(m, batch), late = hidden(m, batch, 0.9);
  BOOST_TEST(row_differs(early, late, first.begin));
  BOOST_TEST(!row_differs(early, late, first.begin - 1));  // BOI comes before the image
}

BOOST_AUTO_TEST_CASE(a_token_tells_the_time) {
  oracle exec;
  model<token_timed, oracle> m(exec, wide_config<token_timed>(), 1);
  shake(m);
  const auto batch = m.pack(documents());
  const span& first = batch.table.spans()[0];
  BOOST_TEST(first.lead_rows == 1);
  BOOST_TEST(first.end - first.begin == 1 + first.patches());
  BOOST_TEST(m.image_rows({2, 4, 4}) == 5);
  const auto early = hidden(m, batch), late = hidden(m, batch, 0.9);
  BOOST_TEST(row_differs(early, late, first.begin));
  BOOST_TEST(row_differs(early, late, first.begin + 1));
  BOOST_TEST(!row_differs(early, late, first.begin - 1));
}

// Where blocks or a token tell the time, the codec has no embedding of its own.
BOOST_AUTO_TEST_CASE(the_time_is_told_once) {
  const auto told = [](auto v) {
    using m = model<decltype(v), oracle>;
    const auto c = wide_config<decltype(v)>();
    return std::array<index_t, 3>{m::parameter_count(c, "codec.time"), m::parameter_count(c, "time.embedding"),
                                  m::parameter_count(c, "time.blocks")};
  };
  constexpr index_t D = 16, mlp = 256 * D + D + D * D + D;
  BOOST_TEST((told(paper{}) == std::array<index_t, 3>{mlp, 0, 0}));
  BOOST_TEST((told(token_timed{}) == std::array<index_t, 3>{0, mlp, 0}));
  BOOST_TEST((told(adaln_timed{}) == std::array<index_t, 3>{0, mlp, 2 * 2 * 3 * (D * D + D)}));
}

// --- routing
// ----------------------------------------------------------------------------------------------------------

// With the same weights on every route nothing changes: attention is one over all rows.
BOOST_AUTO_TEST_CASE(equal_routes_are_the_shared_model) {
  oracle exec;
  model<paper, oracle> shared(exec, wide_config<paper>(), 1);
  shake(shared);
  std::map<std::string, std::vector<double>> weights;
  shared.parameters().each([&](auto p) { weights[p.name()] = on_host(exec, p.master()); });
  const auto batch = shared.pack(documents());
  const auto expected = hidden(shared, batch);
  const auto compare = [&](auto v) {
    model<decltype(v), oracle> routed(exec, wide_config<decltype(v)>(), 2);
    routed.parameters().each([&](auto p) {
      std::string name = p.name();
      if (name.starts_with("modality0.")) name.erase(0, 10);
      const auto& w = weights.at(name);
      exec.upload(p.master().data, w.data(), w.size() * sizeof(double));
    });
    BOOST_TEST(normalised_error(hidden(routed, batch), expected) < 1e-13);
  };
  compare(ffn_routed{});
  compare(qkv_and_ffn_routed{});
  compare(all_routed{});
}

// Text teaches the weights of text only, and an image alone those of its modality, but for the rows of its markers.
BOOST_AUTO_TEST_CASE(routes_learn_from_their_own_rows) {
  oracle exec;
  model<all_routed, oracle> m(exec, wide_config<all_routed>(), 1);
  shake(m);
  const std::vector<document> words{{text{{5, 6, 7, 8}}}};
  BOOST_TEST(largest_gradient(m, words, "modality0.") == 0);
  BOOST_TEST(largest_gradient(m, words, "blocks.1.feed_forward.w1") > 0);
  BOOST_TEST(largest_gradient(m, documents(), "modality0.blocks.0.attention.wq") > 0);
  BOOST_TEST(largest_gradient(m, documents(), "modality0.final_norm") > 0);
}

// Mixture-of-Transformers: all weights of the trunk twice, embedding and head once.
BOOST_AUTO_TEST_CASE(separate_weights_are_counted) {
  const auto count = [](auto v, std::string_view prefix) {
    return model<decltype(v), oracle>::parameter_count(wide_config<decltype(v)>(), prefix);
  };
  const index_t blocks = count(paper{}, "blocks."), norm = count(paper{}, "final_norm");
  BOOST_TEST(count(all_routed{}, "") == count(paper{}, "") + blocks + norm);
  BOOST_TEST(count(all_routed{}, "modality0.blocks.") == blocks);
  constexpr index_t L = 2, D = 16, F = 10, keys = 8;
  BOOST_TEST(count(ffn_routed{}, "modality0.") == L * 3 * D * F);
  BOOST_TEST(count(qkv_and_ffn_routed{}, "modality0.") == L * (3 * D * F + D * D + 2 * D * keys));
  BOOST_TEST(count(tied_embeddings{}, "") == count(paper{}, "") - 13 * D);
}

// LMFusion's way: the text side is kept, bit for bit, while the image side learns.
BOOST_AUTO_TEST_CASE(a_frozen_side_stays_as_it_is) {
  oracle exec;
  model<all_routed, oracle> m(exec, wide_config<all_routed>(), 1);
  shake(m);
  m.parameters().freeze("embedding", "head", "blocks.", "final_norm");
  std::map<std::string, std::vector<double>> before;
  m.parameters().each([&](auto p) { before[p.name()] = on_host(exec, p.master()); });
  trainer<model<all_routed, oracle>> t(m, {.steps = 2, .peak_rate = 1e-2, .warmup = 0, .quiet = true});
  t.step(documents());
  m.parameters().each([&](auto p) {
    const bool same = before[p.name()] == on_host(exec, p.master());
    BOOST_TEST(same == p.frozen(), p.name());
    BOOST_TEST(p.frozen() == !(p.name().starts_with("modality0.") || p.name().starts_with("codec.")), p.name());
  });
  m.parameters().unfreeze("head");
  BOOST_CHECK_EXCEPTION(m.parameters().freeze("head", "block."), config_error, [](const config_error& e) {
    return std::string(e.what()).find("\"block.\"") != std::string::npos;
  });
  m.parameters().each([&](auto p) { BOOST_TEST((p.name() != "head" || !p.frozen())); });  // nothing was changed
}

// --- dropout
// ----------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(dropout_is_of_the_step_and_not_of_its_parts) {
  oracle exec;
  auto c = wide_config<paper>();
  c.dropout = 0.3;
  model<paper, oracle> m(exec, c, 1);
  shake(m);
  const auto d = documents();
  const auto whole = means_of_step(m, {d}), parts = means_of_step(m, {{d[0]}, {d[1], d[2], d[3]}});
  for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(whole[i] == parts[i], boost::test_tools::tolerance(1e-12));

  // A pass that is not recorded leaves nothing out.
  model<paper, oracle> without(exec, wide_config<paper>(), 1);
  shake(without);
  const auto batch = m.pack(d);
  const auto unrecorded = [&](auto& of) {
    tape<oracle> t(exec, recording::off);
    return of.loss(t, batch, of.plan_noise(batch, step_key)).mean(exec, 0);
  };
  BOOST_TEST(unrecorded(m) == unrecorded(without));
  BOOST_TEST(unrecorded(m) != whole[0]);
}

// --- files and errors
// -------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(every_part_is_saved_and_loaded) {
  const test_support::folder folder;
  each_block_variant([&](auto v, const std::string& what) {
    oracle exec;
    using m = model<decltype(v), oracle>;
    m saved(exec, wide_config<decltype(v)>(), 1), loaded(exec, wide_config<decltype(v)>(), 2);
    shake(saved);
    const auto path = folder / "model.safetensors";
    save_model(path, saved);
    load_weights(safetensors_file(path), loaded);
    const auto batch = saved.pack(documents());
    BOOST_TEST((hidden(saved, batch) == hidden(loaded, batch)), what);
  });
}

BOOST_AUTO_TEST_CASE(wrong_sizes_are_refused) {
  oracle exec;
  auto c = config();
  c.dropout = 1;
  BOOST_CHECK_EXCEPTION((model<paper, oracle>(exec, c, 1)), config_error, [](const config_error& e) {
    return std::string(e.what()) == "dropout: found 1, expected 0 to below 1";
  });
}
