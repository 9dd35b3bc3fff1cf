// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE codec_raw
#include "transfusion/codec/raw.hpp"

#include <boost/test/unit_test.hpp>

#include "codec/codec_trial.hpp"
#include "support/policies.hpp"

using namespace codec_trial;
using codec::raw;

static_assert(modality_codec<raw, reference_exec<double>>);

BOOST_AUTO_TEST_CASE(every_pixel_is_a_row) {
  const patch_grid g = raw::grid({3, 4, 5, 2}, {.channels = 3});
  BOOST_TEST(g.rows == 4);
  BOOST_TEST(g.cols == 5);
  BOOST_TEST(g.planes == 2);
  fails_saying<shape_error>([] { raw::grid({3, 4, 5}, {.channels = 2}); }, "image channels: found 3, expected 2");
  fails_saying<shape_error>([] { raw::grid({1, 0, 5}, {}); }, "image of 0 x 5: expected multiples of the patch size 1");
  fails_saying<config_error>([] { trial<raw> t({.channels = 0}); }, "codec.channels: found 0, expected > 0");
}

// With as many channels as the model is wide there is nothing to learn: row p holds value (c, p) at c, and goes back.
BOOST_AUTO_TEST_CASE(as_wide_as_the_model_there_are_no_weights) {
  trial<raw> t({.channels = 6}, 6, false);
  BOOST_TEST(t.parameters().count() == 0);
  tape<reference_exec<double>> tape(t.exec(), recording::off);
  std::vector<image_place> places;
  const auto x = batch_of<raw>(tape, {{{6, 2, 3}}}, t.sizes(), places);
  const auto rows = t.layer.encode(tape, x).tokens;
  BOOST_TEST(rows.rows() == 6);
  for (index_t p = 0; p < 6; ++p)
    for (index_t c = 0; c < 6; ++c) BOOST_TEST(rows.value()(p, c) == x.values[c * 6 + p]);
  BOOST_TEST((t.numbers(t.layer.decode(tape, rows, {}, x)) == on_host(t.exec(), x.values)));
}

BOOST_AUTO_TEST_CASE(another_width_takes_one_linear_layer_each_way) {
  trial<raw> t({.channels = 2}, 6, false);
  BOOST_TEST(t.parameters().count("codec.in") == 2 * 6 + 6);
  BOOST_TEST(t.parameters().count("codec.out") == 6 * 2 + 2);
  BOOST_TEST(t.parameters().count() == 2 * 2 * 6 + 6 + 2);
  for (double y : t({{{2, 4, 4}}}).prediction) BOOST_TEST(y == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gradients, Exec, test_support::double_policies) {
  for (const index_t channels : {1, 2, 6})
    for (const bool tells_time : {true, false}) {
      if (channels == 6 && !tells_time) continue;  // no weights
      trial<raw, poisoned<Exec>> t({.channels = channels}, 6, tells_time);
      t.shake();
      const auto report = t.gradients({{{channels, 2, 3}, 300, 1}, {{channels, 1, 2}, 20, 2}});
      BOOST_TEST(report.within(1e-8), report.text());
      BOOST_TEST(report.checked == t.parameters().size());
    }
}

BOOST_AUTO_TEST_CASE(two_items_in_one_batch) {
  trial<raw> t({.channels = 2});
  t.shake();
  check_packed_equals_separate(t, {{2, 4, 4}, 100, 1}, {{2, 1, 5, 2}, 900, 2}, 1e-13);
}

BOOST_AUTO_TEST_CASE(time_is_told_by_the_codec_or_not) {
  const auto rows_at = [](bool tells_time, double time) {
    trial<raw> t({.channels = 2}, 6, tells_time);
    t.shake();
    return t({{{2, 4, 4}, time}}).tokens;
  };
  BOOST_TEST((rows_at(true, 10) != rows_at(true, 11)));
  BOOST_TEST(same_bits(rows_at(false, 10), rows_at(false, 900)));
}
