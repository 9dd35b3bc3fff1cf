// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE codec_linear_patch
#include "transfusion/codec/linear_patch.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "codec/codec_trial.hpp"
#include "support/policies.hpp"

using namespace codec_trial;
using codec::linear_patch;
using options = linear_patch::options;

namespace {

/// Windows of one, two and three axes with an item that fits each.
struct fitting {
  options o;
  image_shape shape;
  patch_grid grid;
};
const std::vector<fitting> all_ranks{
    {{.channels = 3, .patch = 4, .patch_height = 1}, {3, 1, 12}, {1, 3, 1}},
    {{.channels = 2, .patch = 2}, {2, 4, 6}, {2, 3, 1}},
    {{.channels = 1, .patch = 3, .patch_height = 2}, {1, 4, 6}, {2, 2, 1}},
    {{.channels = 2, .patch = 2, .patch_height = 3, .patch_depth = 2}, {2, 6, 4, 4}, {2, 2, 2}},
    {{.channels = 1, .patch = 1, .patch_depth = 4}, {1, 2, 3, 4}, {2, 3, 1}}};

}  // namespace

BOOST_AUTO_TEST_CASE(grids_of_one_to_three_axes) {
  for (const fitting& f : all_ranks) {
    const patch_grid g = linear_patch::grid(f.shape, f.o);
    BOOST_TEST(g.rows == f.grid.rows);
    BOOST_TEST(g.cols == f.grid.cols);
    BOOST_TEST(g.planes == f.grid.planes);
  }
  // Planes of a volume without a window along the depth are patches of their own.
  BOOST_TEST(linear_patch::grid({1, 4, 4, 3}, {.patch = 2}).planes == 3);
}

// Row r, element e of the patches is value v: written down here from the strides of [C, Z, H, W] alone.
BOOST_AUTO_TEST_CASE(which_value_stands_where) {
  for (const fitting& f : all_ranks) {
    const patch_shape w = linear_patch::window(f.o);
    const index_t elements = f.shape.channels * w.size();
    trial<linear_patch> t(f.o, elements, false);  // as wide as a patch: the identity shows the patches themselves
    t.parameters().each([&](auto p) {
      t.exec().fill(p.master(), 0);
      for (index_t i = 0; p.shape().size() > 1 && i < elements; ++i)
        t.exec().fill(p.master().slice(i * elements + i, i * elements + i + 1), 1);
    });
    tape<reference_exec<double>> tape(t.exec(), recording::off);
    std::vector<image_place> places;
    const auto x = batch_of<linear_patch>(tape, {{f.shape}}, f.o, places);
    const auto rows = t.layer.encode(tape, x).tokens;
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t e = 0; e < elements; ++e) {
        const index_t c = e / w.size(), dz = e / (w.height * w.width) % w.depth, dy = e / w.width % w.height,
                      dx = e % w.width;
        const index_t z = r / (f.grid.rows * f.grid.cols) * w.depth + dz,
                      y = r / f.grid.cols % f.grid.rows * w.height + dy, column = r % f.grid.cols * w.width + dx;
        BOOST_TEST(rows.value()(r, e) ==
                   x.values[((c * f.shape.depth + z) * f.shape.height + y) * f.shape.width + column]);
      }
    // And decode puts every value back.
    const auto again = t.numbers(t.layer.decode(tape, rows, {}, x)), values = on_host(t.exec(), x.values);
    BOOST_TEST(again == values, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gradients, Exec, test_support::double_policies) {
  for (const fitting& f : all_ranks)
    for (const bool tells_time : {true, false})
      for (const auto place : {codec::time_place::after_projection, codec::time_place::before_projection}) {
        options o = f.o;
        o.time = place;
        trial<linear_patch, poisoned<Exec>> t(o, 5, tells_time);
        t.shake();
        const auto report = t.gradients({{f.shape, 300, 1}, {f.shape, 20, 2}});
        BOOST_TEST(report.within(1e-8), report.text());
        BOOST_TEST(report.checked == t.parameters().size());
      }
}

BOOST_AUTO_TEST_CASE(two_images_in_one_batch) {
  trial<linear_patch> t({.channels = 2, .patch = 2});
  t.shake();
  check_packed_equals_separate(t, {{2, 4, 4}, 100, 1}, {{2, 2, 6}, 900, 2}, 1e-13);
  trial<linear_patch> volumes({.channels = 1, .patch = 2, .patch_depth = 2});
  volumes.shake();
  check_packed_equals_separate(volumes, {{1, 4, 2, 4}, 100, 1}, {{1, 2, 2, 2}, 900, 2}, 1e-13);
}

BOOST_AUTO_TEST_CASE(the_first_prediction_is_zero) {
  trial<linear_patch> t({.channels = 2, .patch = 2});
  for (double y : t({{{2, 4, 4}}}).prediction) BOOST_TEST(y == 0);
}

BOOST_AUTO_TEST_CASE(time_is_told_by_the_codec_or_not) {
  const options o{.channels = 2, .patch = 2};
  const auto rows_at = [&](bool tells_time, double time) {
    trial<linear_patch> t(o, 6, tells_time);
    t.shake();
    return t({{{2, 4, 4}, time}}).tokens;
  };
  BOOST_TEST((rows_at(true, 10) != rows_at(true, 11)));
  BOOST_TEST(same_bits(rows_at(false, 10), rows_at(false, 900)));
  trial<linear_patch> with(o, 6), without(o, 6, false);
  BOOST_TEST(with.parameters().count("codec.time") == 256 * 6 + 6 + 6 * 6 + 6);
  BOOST_TEST(without.parameters().count("codec.time") == 0);
  BOOST_TEST(without.parameters().count() == with.parameters().count() - with.parameters().count("codec.time"));
}

BOOST_AUTO_TEST_CASE(items_that_do_not_fit) {
  const auto refuses = [](image_shape shape, const options& o, const char* text) {
    fails_saying<shape_error>([&] { linear_patch::grid(shape, o); }, text);
  };
  refuses({1, 4, 5}, {}, "image of 4 x 5: expected multiples of the patch size 2");
  refuses({1, 0, 4}, {}, "image of 0 x 4: expected multiples of the patch size 2");
  refuses({2, 4, 4}, {}, "image channels: found 2, expected 1");
  refuses({1, 2, 6}, {.patch = 4, .patch_height = 1}, "image of 2 x 6: expected multiples of the patch, 1 x 4");
  refuses({1, 2, 2, 3}, {.patch = 2, .patch_depth = 2},
          "volume of 3 x 2 x 2: expected multiples of the patch, 2 x 2 x 2");
  refuses({1, 2, 2, 0}, {}, "volume of 0 x 2 x 2: expected multiples of the patch, 1 x 2 x 2");
}

BOOST_AUTO_TEST_CASE(options_out_of_range) {
  const auto refuses = [](const options& o, const char* text) {
    fails_saying<config_error>([&] { trial<linear_patch> t(o); }, text);
  };
  refuses({.patch = 0}, "codec.patch: found 0, expected > 0");
  refuses({.patch_height = -1}, "codec.patch_height: found -1, expected >= 0");
  refuses({.patch_depth = 0}, "codec.patch_depth: found 0, expected > 0");
}
