// SPDX-License-Identifier: Apache-2.0
// A policy that computes in bf16 and keeps its weights in float: what such a policy shares with the CUDA policy.
#define BOOST_TEST_MODULE model_bf16
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "model/small_model.hpp"
#include "support/temporary_folder.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/io.hpp"
#include "transfusion/train.hpp"

using namespace small_model;

namespace {

using narrow = reference_exec<bf16>;
using narrow_model = model<paper, narrow>;

constexpr random_key key{3, 0, stream::noise};

template <class Exec>
struct passed {
  double loss = 0;
  std::vector<double> gradients;

  explicit passed(Exec& exec) {
    model<paper, Exec> m(exec, config(), 1);
    shake(m);
    m.parameters().allocate_gradients();
    tape<Exec> t(exec);
    const auto batch = m.pack(documents());
    loss = objective(m, t, batch, m.plan_noise(batch, key));
    t.backward();
    m.parameters().each([&](auto p) {
      for (auto g : on_host(exec, p.flat_gradient())) gradients.push_back(static_cast<double>(g));
    });
  }
};

}  // namespace

// bf16 keeps 8 bits: a step rounds by 2^-9 of its size, and some tens of roundings stand between input and loss.
BOOST_AUTO_TEST_CASE(loss_and_gradients_are_near_the_double_ones) {
  narrow low;
  reference_exec<double> exact;
  const passed<narrow> found(low);
  const passed<reference_exec<double>> expected(exact);
  BOOST_TEST(found.loss == expected.loss, boost::test_tools::tolerance(0.02));
  double difference = 0, size = 0;
  BOOST_REQUIRE(found.gradients.size() == expected.gradients.size());
  for (std::size_t i = 0; i < found.gradients.size(); ++i) {
    difference += std::pow(found.gradients[i] - expected.gradients[i], 2);
    size += std::pow(expected.gradients[i], 2);
  }
  BOOST_TEST(std::sqrt(difference / size) < 0.05);
  BOOST_TEST(difference > 0);  // it does round
}

BOOST_AUTO_TEST_CASE(products_read_the_rounded_masters) {
  narrow exec;
  narrow_model m(exec, config(), 1);
  const auto same = [&] {
    const auto masters = on_host(exec, m.parameters().values());
    const auto copies = on_host(exec, m.parameters().copy());
    for (std::size_t i = 0; i < masters.size(); ++i)
      if (bf16(masters[i]).bits != copies[i].bits) return false;
    return true;
  };
  BOOST_TEST(same());
  trainer<narrow_model> t(m,
                          {.steps = 3, .peak_rate = 1e-2, .warmup = 1, .optimiser = {.ema_decay = 0.9}, .quiet = true});
  t.run([](index_t) { return documents(); });
  BOOST_TEST(same());
  {
    averaged_weights<narrow> averaged(exec, m.parameters(), t.optimiser());
    BOOST_TEST(same());
  }
  BOOST_TEST(same());
}

BOOST_AUTO_TEST_CASE(it_trains_saves_loads_and_generates) {
  narrow exec;
  narrow_model m(exec, config(), 1);
  double first = 0, last = 0;
  trainer<narrow_model> t(m, {.steps = 30, .peak_rate = 1e-2, .warmup = 3, .caption_dropout = 0, .quiet = true});
  t.run([](index_t) { return documents(); },
        [&](const auto& r) {
          if (r.step == 0) first = r.losses[0];
          last = r.losses[0];
        });
  BOOST_TEST(last < 0.8 * first);

  const test_support::folder folder;
  const auto file = folder / "model.safetensors";
  save_model(file, m);
  narrow_model copy(exec, config(), 2);
  load_weights(safetensors_file(file), copy);
  BOOST_TEST(same_bits(on_host(exec, copy.parameters().copy()), on_host(exec, m.parameters().copy())));

  const generation_options options{
      .max_tokens = 2, .max_images = 1, .image = {2, 4, 4}, .image_steps = 4, .guidance = 2};
  const auto drawn = generator<narrow_model>(copy, options)({{.prompt = {text{{5, 6}}}, .begin_image = true}});
  for (float v : std::get<image>(drawn[0].content.segments[1]).values) BOOST_TEST(std::isfinite(v));
}
