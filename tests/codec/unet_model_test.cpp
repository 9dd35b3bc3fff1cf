// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE codec_unet_model
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>

#include "model/small_model.hpp"
#include "support/count_allocations.hpp"
#include "support/policies.hpp"
#include "support/temporary_folder.hpp"
#include "transfusion/codec/unet.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/generate/generator.hpp"
#include "transfusion/io/model_file.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/testing/poisoned.hpp"
#include "transfusion/train/adamw.hpp"

// The U-Net inside a model: counted, trained, stored, and drawing images.
using namespace small_model;
using transfusion::testing::directional_check;
using transfusion::testing::poisoned;

namespace {

struct with_unet : paper {
  using codec = transfusion::codec::unet;
};

model_config<with_unet> unet_config(index_t patch = 2) {
  auto c = config<with_unet>();
  c.codec = {.channels = 2,
             .patch = patch,
             .level_channels = {4, 6, 8, 8},
             .blocks = 1,
             .groups = 2,
             .heads = 2,
             .time_width = 4};
  return c;
}

/// One step of training after another on the same documents.
template <class Exec>
struct training {
  Exec exec;
  model<with_unet, Exec> m{exec, unet_config(), 1};
  adamw<Exec> optimiser{exec, m.parameters(), {}};
  tape<Exec> t{exec};
  packed_batch batch = m.pack(documents());
  noise_plan plan;
  std::uint32_t number = 0;

  double step() {
    plan = m.plan_noise(batch, {1, number, stream::noise}, {}, std::move(plan));
    t.reset();
    const auto losses = m.loss(t, batch, plan);
    t.backward();
    const double loss = losses.mean(exec, 0) + losses.mean(exec, 1);
    optimiser.step(number++, 3e-3);
    return loss;
  }
};

/// Parameters of a U-Net, written down from the layout: 3 × 3 convolutions, norms of 2 numbers a channel.
struct counted {
  index_t time, blocks;

  static index_t convolution(index_t in, index_t out) { return 9 * in * out + out; }
  static index_t linear(index_t in, index_t out) { return in * out + out; }
  index_t block(index_t in, index_t out) const {
    return 2 * in + convolution(in, out) + linear(time, out) + 2 * out + convolution(out, out) +
           (in == out ? 0 : linear(in, out));
  }
  static index_t attention(index_t channels) { return 2 * channels + 4 * linear(channels, channels); }
};

}  // namespace

// The layout at the paper's widths, 2 × 2 patches of 8 latent channels: 0.27 B, whatever the width.
BOOST_AUTO_TEST_CASE(the_paper_s_size) {
  const auto count = [](std::string_view size, index_t patch) {
    auto c = paper_config<with_unet>(size);
    c.codec = codec::paper_unet(patch);
    return model<with_unet, cpu_exec<float>>::parameter_count(c, "codec");
  };
  BOOST_TEST(count("0.16B", 2) == 257'021'576);
  BOOST_TEST(count("0.37B", 2) == 257'677'192);
  BOOST_TEST(count("0.76B", 2) == 258'988'424);
  BOOST_TEST(count("1.4B", 2) == 260'299'656);
  BOOST_TEST(count("7B", 2) == 265'544'584);
  BOOST_TEST(count("0.76B", 4) == 275'489'544);
  BOOST_TEST(count("0.76B", 8) == 291'990'664);
  for (const char* size : {"0.16B", "0.37B", "0.76B", "1.4B", "7B"})
    BOOST_TEST(std::abs(static_cast<double>(count(size, 2)) / 0.27e9 - 1) < 0.05);

  const counted u{.time = 1280, .blocks = 2};
  const index_t d = 4096;
  const index_t down = u.convolution(8, 320) + 2 * u.block(320, 320) + u.convolution(320, 320) + u.block(320, 1280) +
                       u.block(1280, 1280) + 2 * u.attention(1280) + u.linear(1280, d);
  const index_t up = u.linear(d, 1280) + 2 * u.block(2560, 1280) + u.block(1600, 1280) + 3 * u.attention(1280) +
                     u.convolution(1280, 1280) + u.block(1600, 320) + 2 * u.block(640, 320) + 2 * 320 +
                     u.convolution(320, 8);
  BOOST_TEST(count("7B", 2) == down + up + u.linear(256, 1280) + u.linear(1280, 1280));
}

BOOST_AUTO_TEST_CASE(the_whole_model_s_gradients) {
  using exec_type = poisoned<reference_exec<double>>;
  exec_type exec;
  model<with_unet, exec_type> m(exec, unet_config(), 1);
  shake(m);
  const auto batch = m.pack(documents());
  const auto plan = m.plan_noise(batch, step_key);
  const double step = 2.5e-4;  // the objective is much curved here: at 1e-3 the differences err by 2e-7
  const auto report = directional_check(
      m, [&](auto& t) { return objective(m, t, batch, plan); }, {5, 0, stream::test}, step);
  BOOST_TEST(report.within(1e-8), report.text());
  BOOST_TEST(report.checked == m.parameters().size());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(trains, Exec, test_support::policies) {
  training<Exec> run;
  const double first = run.step();
  double last = first;
  for (int i = 0; i < 30; ++i) {
    last = run.step();
    BOOST_TEST(std::isfinite(last));
  }
  BOOST_TEST(last < 0.9 * first);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_warm_step_takes_no_policy_memory, Exec, test_support::policies) {
  training<Exec> run;
  for (int i = 0; i < 3; ++i) run.step();
  const index_t before = run.exec.allocations();
  for (int i = 0; i < 2; ++i) run.step();
  BOOST_TEST(run.exec.allocations() == before);
}

// The tables of pixels are built on the host, in memory that is there.
BOOST_AUTO_TEST_CASE(a_warm_step_takes_no_host_memory) {
  training<cpu_exec<float>> run;
  for (int i = 0; i < 3; ++i) run.step();
  BOOST_TEST(test_support::allocations_in([&] { run.step(); }) == 0);
}

BOOST_AUTO_TEST_CASE(options_and_weights_come_back) {
  const test_support::folder at;
  cpu_exec<float> exec;
  auto c = unet_config(4);
  c.codec.axes = 1;
  model<with_unet, cpu_exec<float>> saved(exec, c, 1), loaded(exec, c, 2);
  shake(saved);
  save_model(at / "m.safetensors", saved);
  const safetensors_file file(at / "m.safetensors");
  const auto found = read_config<with_unet>(file).codec;
  BOOST_TEST(found.channels == 2);
  BOOST_TEST(found.patch == 4);
  BOOST_TEST(found.axes == 1);
  BOOST_TEST((found.level_channels == c.codec.level_channels));
  BOOST_TEST(found.blocks == 1);
  BOOST_TEST(found.groups == 2);
  BOOST_TEST(found.heads == 2);
  BOOST_TEST(found.time_width == 4);
  load_weights(file, loaded);
  BOOST_TEST(same_bits(on_host(exec, loaded.parameters().values()), on_host(exec, saved.parameters().values())));
  auto other = c;
  other.codec.axes = 2;
  model<with_unet, cpu_exec<float>> unlike(exec, other, 1);
  BOOST_CHECK_THROW(load_weights(file, unlike), format_error);
}

BOOST_AUTO_TEST_CASE(draws_images_of_two_sizes) {
  cpu_exec<float> exec;
  model<with_unet, cpu_exec<float>> m(exec, unet_config(), 1);
  shake(m);
  for (const image_shape shape : {image_shape{2, 4, 4}, image_shape{2, 2, 6}}) {
    generation_options o;
    o.image = shape;
    o.image_steps = 4;
    o.max_tokens = 0;
    const generation_request request{{text{{5, 6}}, drawn_image(4, 2, 1)}, true, 3};
    const auto found = generator(m, o)({request, request});
    for (const auto& d : found) {
      const image& drawn = std::get<image>(d.content.segments.back());
      BOOST_TEST((drawn.shape == shape));
      BOOST_REQUIRE(static_cast<index_t>(drawn.values.size()) == shape.size());
      for (float v : drawn.values) BOOST_TEST(std::abs(v) <= 1);
    }
  }
}
