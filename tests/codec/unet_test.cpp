// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE codec_unet
#include "transfusion/codec/unet.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "codec/codec_trial.hpp"
#include "support/policies.hpp"

using namespace codec_trial;
using codec::unet;
using options = unet::options;

static_assert(modality_codec<unet, reference_exec<double>>);

namespace {

/// Differences of an objective of some hundred terms: the key's bias has gradient 0, and shows its rounding alone.
constexpr double limit = 1e-7;

options small(index_t patch, index_t axes = 2) {
  return {.channels = 2,
          .patch = patch,
          .axes = axes,
          .level_channels = {4, 6, 4, 6},
          .blocks = 1,
          .groups = 2,
          .heads = 2,
          .time_width = 3};
}

/// Two items of different sizes that fit a patch along the axes.
std::vector<item> two_items(index_t patch, index_t axes = 2) {
  const index_t down = axes >= 2 ? patch : 1, deep = axes >= 3 ? patch : 1;
  return {{{2, down, 2 * patch, deep}, 300, 1}, {{2, 2 * down, patch, deep}, 20, 2}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(grids) {
  for (const index_t patch : {1, 2, 4, 8}) {
    const patch_grid g = unet::grid({2, 16, 8, 3}, small(patch));
    BOOST_TEST(g.rows == 16 / patch);
    BOOST_TEST(g.cols == 8 / patch);
    BOOST_TEST(g.planes == 3);
  }
  const patch_grid volume = unet::grid({2, 16, 8, 4}, small(4, 3)), signal = unet::grid({2, 1, 8}, small(4, 1));
  BOOST_TEST(volume.planes == 1);
  BOOST_TEST(signal.rows == 1);
  BOOST_TEST(signal.cols == 2);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gradients, Exec, test_support::double_policies) {
  for (const index_t patch : {1, 2, 4, 8}) {
    trial<unet, poisoned<Exec>> t(small(patch));
    t.shake();
    const auto report = t.gradients(two_items(patch));
    BOOST_TEST(report.within(limit), "patch " << patch << ": " << report.text());
    BOOST_TEST(report.checked == t.parameters().size());
  }
}

BOOST_AUTO_TEST_CASE(gradients_of_signals_and_volumes) {
  for (const index_t axes : {1, 3}) {
    trial<unet, poisoned<reference_exec<double>>> t(small(2, axes));
    t.shake();
    const auto report = t.gradients(two_items(2, axes));
    BOOST_TEST(report.within(limit), "axes " << axes << ": " << report.text());
  }
}

BOOST_AUTO_TEST_CASE(more_blocks_heads_and_groups) {
  options o = small(2);
  o.blocks = 3;
  o.heads = 1;
  o.groups = 1;
  trial<unet, poisoned<reference_exec<double>>> t(o);
  t.shake();
  const auto report = t.gradients(two_items(2));
  BOOST_TEST(report.within(limit), report.text());
  BOOST_TEST(report.checked == t.parameters().size());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(two_images_in_one_batch, Exec, test_support::policies) {
  for (const index_t patch : {2, 4, 8}) {
    trial<unet, Exec> t(small(patch));
    t.shake();
    const auto items = two_items(patch);
    check_packed_equals_separate(t, items[0], items[1], sizeof(typename Exec::scalar) == 8 ? 1e-12 : 1e-5);
  }
}

BOOST_AUTO_TEST_CASE(policies_agree) {
  const auto outputs = [](auto& t) {
    t.shake();
    return t(two_items(4));
  };
  trial<unet, reference_exec<double>> reference(small(4));
  trial<unet, cpu_exec<float>> cpu(small(4));
  trial<unet, reference_exec<bf16>> narrow(small(4));
  const output expected = outputs(reference), found = outputs(cpu), rounded = outputs(narrow);
  BOOST_TEST(normalised_error(found.tokens, expected.tokens) < 1e-5);
  BOOST_TEST(normalised_error(found.prediction, expected.prediction) < 1e-5);
  BOOST_TEST(normalised_error(rounded.tokens, expected.tokens) < 0.1);
  BOOST_TEST(normalised_error(rounded.prediction, expected.prediction) < 0.1);
}

BOOST_AUTO_TEST_CASE(the_first_prediction_is_zero) {
  trial<unet> t(small(4));
  const auto found = t(two_items(4));
  for (double y : found.prediction) BOOST_TEST(y == 0);
  bool any = false;
  for (double y : found.tokens) any = any || y != 0;
  BOOST_TEST(any);  // but the transformer is shown the images
}

namespace {

/// Both ways through the U-Net, the transformer's rows given.
struct ways {
  trial<unet> t{small(4)};
  transfusion::tape<reference_exec<double>> tape{t.exec(), recording::off};

  ways() { t.shake(); }

  struct down {
    std::vector<image_place> places;
    image_batch<reference_exec<double>> x;
    codec::unet_skip<reference_exec<double>> skip;
    std::vector<double> tokens;
  };
  down encode(const item& i) {
    down d;
    d.x = batch_of<unet>(tape, {i}, t.sizes(), d.places);
    const auto encoded = t.layer.encode(tape, d.x);
    d.skip = encoded.skip;
    d.tokens = t.numbers(encoded.tokens);
    return d;
  }
  std::vector<double> decode(const down& d, const codec::unet_skip<reference_exec<double>>& skip) {
    auto rows = tape.variable(d.x.patches(), 6);
    t.exec().normal(rows.value().flat(), {8, 0, stream::test}, 1.0);
    return t.numbers(t.layer.decode(tape, rows, skip, d.x));
  }
};

const item first{{2, 4, 8}, 300, 1}, other_values{{2, 4, 8}, 300, 2}, later{{2, 4, 8}, 600, 1};

}  // namespace

BOOST_AUTO_TEST_CASE(every_map_reaches_the_decoder) {
  ways w;
  const auto one = w.encode(first), two = w.encode(other_values);
  BOOST_TEST(one.skip.maps.size() == 3u * 2u);
  const auto plain = w.decode(one, one.skip);
  for (std::size_t m = 0; m < one.skip.maps.size(); ++m) {
    std::vector<var<reference_exec<double>>> maps(one.skip.maps.begin(), one.skip.maps.end());
    maps[m] = two.skip.maps[m];
    auto skip = one.skip;
    skip.maps = maps;
    BOOST_TEST(normalised_error(w.decode(one, skip), plain) > 1e-3, "map " << m);
  }
}

BOOST_AUTO_TEST_CASE(the_timestep_goes_both_ways) {
  ways w;
  const auto one = w.encode(first), two = w.encode(later);
  BOOST_TEST(normalised_error(two.tokens, one.tokens) > 1e-3);
  auto skip = one.skip;
  skip.time = two.skip.time;  // only the way up is at another time
  BOOST_TEST(normalised_error(w.decode(one, skip), w.decode(one, one.skip)) > 1e-3);
}

BOOST_AUTO_TEST_CASE(items_that_do_not_fit) {
  const auto refuses = [](image_shape shape, const options& o, const char* text) {
    fails_saying<shape_error>([&] { unet::grid(shape, o); }, text);
  };
  refuses({2, 4, 5}, small(2), "image of 4 x 5: expected multiples of the patch size 2");
  refuses({2, 12, 8}, small(8), "image of 12 x 8: expected multiples of the patch size 8");
  refuses({2, 1, 5}, small(2, 1), "image of 1 x 5: expected multiples of the patch, 1 x 2");
  refuses({2, 4, 4, 3}, small(2, 3), "volume of 3 x 4 x 4: expected multiples of the patch, 2 x 2 x 2");
  refuses({3, 4, 4}, small(2), "image channels: found 3, expected 2");
}

BOOST_AUTO_TEST_CASE(options_out_of_range) {
  const auto refuses = [](void (*change)(options&), const char* text) {
    options o = small(4);
    change(o);
    fails_saying<config_error>([&] { trial<unet> t(o); }, text);
  };
  refuses([](options& o) { o.channels = 0; }, "codec.channels: found 0, expected > 0");
  refuses([](options& o) { o.patch = 3; }, "codec.patch: found 3, expected 1, 2, 4 or 8");
  refuses([](options& o) { o.patch = 16; }, "codec.patch: found 16, expected 1, 2, 4 or 8");
  refuses([](options& o) { o.axes = 4; }, "codec.axes: found 4, expected 1, 2 or 3");
  refuses([](options& o) { o.blocks = 0; }, "codec.blocks: found 0, expected > 0");
  refuses([](options& o) { o.groups = 0; }, "codec.groups: found 0, expected > 0");
  refuses([](options& o) { o.level_channels[1] = 5; },
          "codec.level_channels[1]: found 5, expected a multiple of groups = 2");
  refuses([](options& o) { o.level_channels[2] = 0; },
          "codec.level_channels[2]: found 0, expected a multiple of groups = 2");
  refuses([](options& o) { o.heads = 3; },
          "codec.heads: found 3, expected a divisor of the 4 channels of the last level");
  refuses([](options& o) { o.time_width = 0; }, "codec.time_width: found 0, expected > 0");
  fails_saying<config_error>([] { codec::paper_unet(3); }, "codec.patch: found 3, expected 1, 2, 4 or 8");
}
