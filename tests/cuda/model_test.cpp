// SPDX-License-Identifier: Apache-2.0
// Whole models on the CUDA policy, beside the same models on the CPU.
#define BOOST_TEST_MODULE cuda_model
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "support/toy.hpp"
#include "transfusion/cuda/exec_impl.cuh"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/io.hpp"
#include "transfusion/train.hpp"

namespace tf = transfusion;
using namespace test_support;

namespace {

using cpu = tf::cpu_exec<float>;
using cuda_float = tf::cuda_exec<float>;
using cuda_bf16 = tf::cuda_exec<tf::bf16>;

tf::train_options quick(tf::index_t steps) {
  tf::train_options o;
  o.steps = steps;
  o.peak_rate = 1e-3;
  o.warmup = 5;
  o.optimiser.ema_decay = 0.9;
  o.seed = 3;
  o.quiet = true;
  return o;
}

/// Head width 32: the smallest that bf16 computes on tensor cores.
template <class Variant>
tf::model_config<Variant> sizes_of() {
  tf::model_config<Variant> c{.layers = 2, .width = 64, .heads = 2, .vocabulary = 10, .kv_heads = 1};
  if constexpr (std::is_same_v<typename Variant::codec, tf::codec::unet>) {
    c.codec.level_channels = {8, 16, 16, 16};
    c.codec.blocks = 1;
    c.codec.groups = 2;
    c.codec.time_width = 32;
  }
  return c;
}

template <class Exec, class Variant = tf::paper>
struct run {
  using model_type = tf::model<Variant, Exec>;
  Exec exec;
  model_type model{exec, sizes_of<Variant>(), 1};
  std::vector<double> losses;

  explicit run(tf::index_t steps) {
    tf::trainer<model_type> trainer(model, quick(steps));
    trainer.run(toy_documents, [&](const auto& r) { losses.push_back(r.total); });
  }
  std::vector<float> weights() { return host_copy<float>(exec, model.parameters().values()); }
};

/// The largest difference of two runs' losses, as a share of the loss.
template <class A, class B>
double worst_share(const A& a, const B& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.losses.size(); ++i)
    worst = std::max(worst, std::abs(a.losses[i] - b.losses[i]) / std::abs(b.losses[i]));
  return worst;
}

/// The policy without graphs.
struct plain_exec : cuda_bf16 {
  template <class F>
  void repeat(tf::cuda_repeat&, const F& f) {
    f();
  }
};

const tf::model_config<tf::paper> sizes = sizes_of<tf::paper>();

struct apart : tf::paper {  // weights by modality, and the timestep in every norm
  using routing = tf::routing::all;
  using timestep = tf::timestep::adaln_zero;
  using position = tf::position::axial_2d;
  using feed_forward = tf::feed_forward::gelu;
  using norm = tf::norm::layer;
};
struct flowing : tf::paper {  // the U-Net, on straight paths
  using codec = tf::codec::unet;
  using schedule = tf::schedule::rectified_flow;
  using target = tf::target::velocity;
  using embeddings = tf::embeddings::tied;
};
struct copied : tf::paper {  // two intervals a row, norms on the branches, a token for the time
  using mask = tf::mask::noised_hidden;
  using norm_place = tf::norm_place::swin;
  using qk_norm = tf::qk_norm::on;
  using timestep = tf::timestep::token;
  using loss = tf::loss::weighted_sum<tf::loss::next_token, tf::loss::z_loss, tf::loss::denoising>;
};
using far_from_the_paper = std::tuple<apart, flowing, copied>;

}  // namespace

// Float differs from the CPU by the order of sums alone; bf16 rounds every activation by up to 2^-9 of it, and fifty
// steps of training neither hide nor amplify that on this task.
BOOST_AUTO_TEST_CASE(fifty_training_steps_beside_the_cpu) {
  const run<cpu> expected(50);
  const run<cuda_float> found(50);
  const run<cuda_bf16> rounded(50);
  for (std::size_t i = 0; i < expected.losses.size(); i += 7) {
    char line[128];
    std::snprintf(line, sizeof line, "step %2zu: cpu %.5f, cuda float %.5f, cuda bf16 %.5f", i, expected.losses[i],
                  found.losses[i], rounded.losses[i]);
    BOOST_TEST_MESSAGE(line);
  }
  BOOST_TEST_MESSAGE("worst: float " << worst_share(found, expected) << ", bf16 " << worst_share(rounded, expected));
  BOOST_TEST(expected.losses.back() < 0.7 * expected.losses.front());
  BOOST_TEST(worst_share(found, expected) < 1e-4);
  BOOST_TEST(worst_share(rounded, expected) < 0.02);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(other_policies_beside_the_cpu, Variant, far_from_the_paper) {
  const run<cpu, Variant> expected(8);
  const run<cuda_float, Variant> found(8);
  const run<cuda_bf16, Variant> rounded(8);
  BOOST_TEST_MESSAGE("worst: float " << worst_share(found, expected) << ", bf16 " << worst_share(rounded, expected));
  BOOST_TEST(std::abs(expected.losses.back() - expected.losses.front()) > 0.01);  // the weights have moved
  BOOST_TEST(worst_share(found, expected) < 1e-4);
  BOOST_TEST(worst_share(rounded, expected) < 0.02);
}

BOOST_AUTO_TEST_CASE(two_runs_have_the_same_bits) {
  run<cuda_bf16> a(6), b(6);
  const auto x = a.weights(), y = b.weights();
  BOOST_TEST(std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
}

BOOST_AUTO_TEST_CASE(a_warm_step_takes_no_device_memory) {
  cuda_bf16 exec;
  tf::model<tf::paper, cuda_bf16> m(exec, sizes, 1);
  tf::trainer<tf::model<tf::paper, cuda_bf16>> trainer(m, quick(10));
  for (tf::index_t step = 0; step < 3; ++step) trainer.step(toy_documents(step));
  const auto before = exec.allocations();
  for (tf::index_t step = 3; step < 6; ++step) trainer.step(toy_documents(step));
  BOOST_TEST(exec.allocations() == before);
}

#ifndef TRANSFUSION_TEST_CUDA  // not defined where this file runs on the emulator
BOOST_AUTO_TEST_CASE(a_step_waits_once) {
  cuda_bf16 exec;
  tf::model<tf::paper, cuda_bf16> m(exec, sizes, 1);
  auto options = quick(10);
  options.micro_batches = 3;
  tf::trainer<tf::model<tf::paper, cuda_bf16>> trainer(m, options);
  for (tf::index_t step = 0; step < 4; ++step) {
    const long before = emulator::waits;
    trainer.step(toy_documents(step));
    BOOST_TEST(emulator::waits == before + 1);
  }
}
#endif

BOOST_AUTO_TEST_CASE(what_is_trained_here_runs_on_the_cpu) {
  run<cuda_bf16> trained(6);
  const folder at;
  tf::save_model(at / "model.safetensors", trained.model);
  cpu exec;
  tf::model<tf::paper, cpu> copy(exec, sizes, 7);
  tf::load_weights(tf::safetensors_file(at / "model.safetensors"), copy);
  copy.parameters().each([&](auto p) {
    trained.model.parameters().each([&](auto q) {
      if (p.name() != q.name()) return;
      const auto x = host_copy<float>(exec, p.master()), y = host_copy<float>(trained.exec, q.master());
      BOOST_TEST(std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0, p.name());
    });
  });
}

// A later token, or a later image, changes no bit of an earlier row; a patch changes all rows of its image.
BOOST_AUTO_TEST_CASE(the_mask_holds_bit_for_bit) {
  cuda_bf16 exec;
  tf::model<tf::paper, cuda_bf16> m(exec, sizes, 1);
  stir(m, 5, 0.1);
  m.parameters().refresh();
  const std::vector<tf::document> documents{{toy_caption(0), toy_image(0), toy_caption(1)}, {toy_caption(2)}};
  const auto hidden = [&](const tf::packed_batch& batch) {
    tf::tape<cuda_bf16> tape(exec, tf::recording::off);
    const auto in = m.inputs(tape, batch, tape.upload(batch.values), m.clean(batch));
    return host_copy<tf::bf16>(exec, m.forward(tape, in).hidden.value().flat());
  };
  const auto same_rows = [&](const std::vector<tf::bf16>& a, const std::vector<tf::bf16>& b) {
    std::vector<bool> same;
    for (std::size_t n = 0; n < a.size() / 64; ++n) same.push_back(std::memcmp(&a[64 * n], &b[64 * n], 128) == 0);
    return same;
  };
  tf::packed_batch batch = m.pack(documents);
  const auto before = hidden(batch);
  const tf::span image = batch.table.spans().front();
  for (tf::index_t row = 0; row < batch.rows(); ++row) {
    tf::packed_batch other = batch;
    tf::token_t& token = other.tokens[static_cast<std::size_t>(row)];
    if (token < 4) continue;
    token = token == 9 ? 8 : 9;
    const auto same = same_rows(before, hidden(other));
    for (tf::index_t q = 0; q < batch.rows(); ++q) {
      const bool sees = q >= row && batch.table.document(q) == batch.table.document(row);
      BOOST_TEST(same[static_cast<std::size_t>(q)] == !sees, "token of row " << row << ", row " << q);
    }
  }
  tf::packed_batch other = batch;
  other.values.back() += 1;
  const auto same = same_rows(before, hidden(other));
  for (tf::index_t q = 0; q < batch.rows(); ++q) {
    const bool sees = q >= image.begin && q < batch.table.document_end(image.begin);
    BOOST_TEST(same[static_cast<std::size_t>(q)] == !sees, "last patch, row " << q);
  }
}

// The cache, guidance and the solver end to end: bf16 draws nearly what float draws from the same weights.
BOOST_AUTO_TEST_CASE(pictures_are_near_those_of_the_cpu) {
  const auto drawn = [](auto& exec) {
    using model_type = tf::model<tf::paper, std::remove_reference_t<decltype(exec)>>;
    model_type m(exec, sizes, 1);
    stir(m, 5, 0.05);
    m.parameters().refresh();
    tf::generation_options options{
        .max_tokens = 3, .max_images = 1, .image = {1, 4, 4}, .image_steps = 5, .guidance = 2};
    const auto documents =
        tf::generator<model_type>(m, options)({{.prompt = {toy_caption(0)}, .begin_image = true, .seed = 1},
                                               {.prompt = {toy_image(1)}, .begin_image = true, .seed = 2}});
    std::vector<float> values;
    for (const auto& d : documents)
      for (std::size_t i = static_cast<std::size_t>(d.prompt_segments); i < d.content.segments.size(); ++i)
        if (const auto* im = std::get_if<tf::image>(&d.content.segments[i]))
          values.insert(values.end(), im->values.begin(), im->values.end());
    return values;
  };
  cpu host;
  cuda_float exact;
  cuda_bf16 rounded;
  const auto expected = drawn(host);
  BOOST_TEST(expected.size() == 32);
  BOOST_TEST(distance(drawn(exact), expected) < 1e-4);
  BOOST_TEST(distance(drawn(rounded), expected) < 0.05);
}

// Tokens and denoising steps become graphs from their second run on, and draw what plain launches draw, bit for bit.
BOOST_AUTO_TEST_CASE(graphs_change_no_bit) {
  const auto generated = [](auto& exec) {
    using model_type = tf::model<tf::paper, std::remove_reference_t<decltype(exec)>>;
    tf::model_config<tf::paper> c = sizes;
    c.markers.eos = tf::ignored;
    model_type m(exec, c, 1);
    stir(m, 5, 0.05);
    m.parameters().refresh();
    tf::generation_options options{.text = {.temperature = 1},
                                   .max_tokens = 9,
                                   .max_images = 2,
                                   .image = {1, 4, 4},
                                   .image_steps = 8,
                                   .guidance = 2};
    tf::generator<model_type> generate(m, options);
    std::vector<float> all;
    for (int round = 0; round < 2; ++round)  // the second time the cache lies elsewhere
      for (const auto& d : generate(
               {{.prompt = {toy_caption(0)}, .begin_image = true, .seed = 1}, {.prompt = {toy_caption(1)}, .seed = 2}}))
        for (const auto& s : d.content.segments) {
          if (const auto* t = std::get_if<tf::text>(&s)) all.insert(all.end(), t->tokens.begin(), t->tokens.end());
          if (const auto* im = std::get_if<tf::image>(&s)) all.insert(all.end(), im->values.begin(), im->values.end());
        }
    return all;
  };
  plain_exec plain;
  cuda_bf16 recording;
  const auto expected = generated(plain);
  const auto found = generated(recording);
#ifndef TRANSFUSION_TEST_CUDA  // not defined where this file runs on the emulator
  BOOST_TEST(emulator::graph_launches > 12);
#endif
  BOOST_TEST(found.size() == expected.size());
  BOOST_TEST(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)) == 0);
}

// Work that changes in another way than by its uploads is noticed and done as it is.
BOOST_AUTO_TEST_CASE(repeated_work_that_changes_is_done_anew) {
  cuda_float exec;
  tf::buffer<cuda_float, float> memory(exec, 64);
  tf::cuda_repeat slot;
  for (int run = 0; run < 12; ++run) {
    const tf::index_t count = run < 5 ? 16 : run < 8 ? 24 : 16;
    const std::vector<float> values(static_cast<std::size_t>(count), static_cast<float>(run));
    exec.fill(memory.all(), -1);
    exec.repeat(slot, [&] {
      exec.upload(memory.all().data, values.data(), values.size() * sizeof(float));
      exec.copy(memory.all().slice(32, 32 + count), memory.all().slice(0, count));
    });
    const auto found = host_copy<float>(exec, memory.all());
    for (tf::index_t i = 0; i < 24; ++i)
      BOOST_TEST(found[static_cast<std::size_t>(32 + i)] == (i < count ? static_cast<float>(run) : -1.0f),
                 "run " << run);
  }
  BOOST_CHECK_THROW(exec.repeat(slot, [&] { host_copy<float>(exec, memory.all()); }), tf::config_error);
  BOOST_TEST(host_copy<float>(exec, memory.all())[0] == 11);  // and the policy is usable afterwards
}
