// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE codec_outer
#include "transfusion/codec/outer.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "model/small_model.hpp"
#include "transfusion/generate/generator.hpp"
#include "transfusion/train/adamw.hpp"

using namespace small_model;

namespace {

/// Means of 2 × 2 pixels, and every mean four times on the way back.
struct mean_of_four {
  static float at(const image& im, index_t c, index_t y, index_t x) {
    return im.values[static_cast<std::size_t>((c * im.shape.height + y) * im.shape.width + x)];
  }
  image encode(const image& im) const {
    image out{{im.shape.channels, im.shape.height / 2, im.shape.width / 2}, {}};
    for (index_t c = 0; c < out.shape.channels; ++c)
      for (index_t y = 0; y < out.shape.height; ++y)
        for (index_t x = 0; x < out.shape.width; ++x)
          out.values.push_back((at(im, c, 2 * y, 2 * x) + at(im, c, 2 * y, 2 * x + 1) + at(im, c, 2 * y + 1, 2 * x) +
                                at(im, c, 2 * y + 1, 2 * x + 1)) /
                               4);
    return out;
  }
  image decode(const image& im) const {
    image out{{im.shape.channels, 2 * im.shape.height, 2 * im.shape.width}, {}};
    for (index_t c = 0; c < out.shape.channels; ++c)
      for (index_t y = 0; y < out.shape.height; ++y)
        for (index_t x = 0; x < out.shape.width; ++x) out.values.push_back(at(im, c, y / 2, x / 2));
    return out;
  }
};
static_assert(codec::outer_coder<mean_of_four> && codec::outer_coder<const mean_of_four&>);

/// Says one shape and gives another.
struct broken : mean_of_four {
  image encode(const image& im) const { return {im.shape, {1}}; }
  image decode(const image& im) const { return {im.shape, {1}}; }
};

}  // namespace

BOOST_AUTO_TEST_CASE(items_become_latents_and_come_back) {
  const image flat{{1, 2, 4}, {1, 3, 5, 5, 3, 1, 5, 5}};
  const auto latents = codec::encoded({{text{{5}}, flat}, {text{{6}}}}, mean_of_four{});
  BOOST_REQUIRE(latents.size() == 2u);
  const image& z = std::get<image>(latents[0].segments[1]);
  BOOST_TEST((z.shape == image_shape{1, 1, 2}));
  BOOST_TEST((z.values == std::vector<float>{2, 5}));
  BOOST_TEST((std::get<text>(latents[0].segments[0]).tokens == std::vector<token_t>{5}));
  const document back = codec::decoded(latents[0], mean_of_four{});
  BOOST_TEST((std::get<image>(back.segments[1]).values == std::vector<float>{2, 2, 5, 5, 2, 2, 5, 5}));
}

BOOST_AUTO_TEST_CASE(what_the_document_says_of_an_item_stays) {
  image read = drawn_image(4, 4, 1), other = drawn_image(4, 4, 2);
  read.context = true;
  read.modality = 1;
  document d{read, other};
  d.open_ended = true;
  d.prefix_segments = 1;
  const document found = codec::encoded({d}, mean_of_four{}, 1)[0];
  const image &first = std::get<image>(found.segments[0]), &second = std::get<image>(found.segments[1]);
  BOOST_TEST(first.context);
  BOOST_TEST(first.modality == 1);
  BOOST_TEST((first.shape == image_shape{2, 2, 2}));
  BOOST_TEST((second.shape == other.shape && second.values == other.values));  // of another modality
  BOOST_TEST(found.open_ended);
  BOOST_TEST(found.prefix_segments == 1);
}

BOOST_AUTO_TEST_CASE(a_coder_that_contradicts_itself) {
  const document d{drawn_image(2, 2, 1)};
  const auto says = [](const char* text) {
    return [=](const shape_error& e) { return std::string(e.what()) == text; };
  };
  BOOST_CHECK_EXCEPTION(codec::encoded({d}, broken{}), shape_error,
                        says("encoded item: number of values against its shape: found 1, expected 8"));
  BOOST_CHECK_EXCEPTION(codec::decoded(d, broken{}), shape_error,
                        says("decoded item: number of values against its shape: found 1, expected 8"));
}

// Pixels 8 × 8 outside, latents 4 × 4 inside: encode, train, generate, decode.
BOOST_AUTO_TEST_CASE(in_front_of_a_model) {
  const mean_of_four coder;
  cpu_exec<float> exec;
  model<paper, cpu_exec<float>> m(exec, config(), 1);
  adamw<cpu_exec<float>> optimiser(exec, m.parameters(), {});
  const auto latents = codec::encoded({{text{{5, 6}}, drawn_image(8, 8, 1)}, {drawn_image(4, 12, 2)}}, coder);
  const auto batch = m.pack(latents);
  BOOST_TEST((batch.images[0].shape == image_shape{2, 4, 4}));
  BOOST_TEST((batch.images[1].shape == image_shape{2, 2, 6}));
  tape<cpu_exec<float>> t(exec);
  for (std::uint32_t step = 0; step < 3; ++step) {
    t.reset();
    const auto losses = m.loss(t, batch, m.plan_noise(batch, {1, step, stream::noise}));
    BOOST_TEST(std::isfinite(losses.mean(exec, 1)));
    t.backward();
    optimiser.step(step, 1e-3);
  }
  generation_options o;
  o.image = {2, 4, 4};
  o.image_steps = 3;
  o.max_tokens = 0;
  const document prompt = codec::encoded({{text{{5}}, drawn_image(8, 8, 3)}}, coder)[0];
  const auto made = generator(m, o)({{prompt, true, 1}})[0].content;
  const image& drawn = std::get<image>(made.segments.back());
  const document shown = codec::decoded(made, coder);
  const image& pixels = std::get<image>(shown.segments.back());
  BOOST_TEST((pixels.shape == image_shape{2, 8, 8}));
  for (index_t y = 0; y < 8; ++y) BOOST_TEST(mean_of_four::at(pixels, 1, y, 5) == mean_of_four::at(drawn, 1, y / 2, 2));
}
