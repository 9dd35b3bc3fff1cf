// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_group_norm
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "cuda/device_ranges.hpp"
#include "cuda/rounding.hpp"
#include "cuda/tolerances.hpp"
#include "transfusion/cuda/group_norm.cuh"
#include "transfusion/cuda/memory.cuh"

using namespace cuda_tests;

namespace {

struct shape {
  std::vector<index_t> images;  ///< their rows
  index_t groups, each, offset;
};
/// Packs of 1, 4 and 8; one and several slices an image, and column blocks of a row; images of very different sizes.
const shape shapes[] = {{{1}, 2, 3, 0},       {{5}, 1, 7, 0},       {{1, 1, 1}, 3, 1, 0},   {{37, 2}, 4, 8, 0},
                        {{64}, 2, 64, 0},     {{64}, 2, 64, 1},     {{150, 1, 9}, 8, 4, 0}, {{9, 3}, 1, 2056, 0},
                        {{3, 700}, 2, 16, 0}, {{300, 4}, 8, 20, 0}, {{2, 2}, 2, 1100, 1}};

}  // namespace

BOOST_AUTO_TEST_CASE(slices_are_all_rows_of_an_image_once) {
  for (index_t begin : {0, 3})
    for (index_t rows = 0; rows < 40; ++rows)
      for (index_t slices = 1; slices < 45; ++slices) {
        index_t next = begin;
        for (index_t s = 0; s < slices; ++s) {
          const cuda::image_rows part = cuda::slice_of(key_interval::of(begin, begin + rows), s, slices);
          BOOST_REQUIRE(part.first == next);
          BOOST_REQUIRE(part.end >= part.first);
          BOOST_REQUIRE(part.end - part.first <= cuda::ceil_div(rows, slices));
          next = part.end;
        }
        BOOST_REQUIRE(next == begin + rows);
      }
}

BOOST_AUTO_TEST_CASE(blocks_hold_all_columns_and_no_more_threads_than_there_are) {
  for (index_t packs = 1; packs < 1200; ++packs) {
    const index_t across = cuda::packs_across(packs);
    BOOST_REQUIRE((across >= 1 && across <= cuda::group_threads));
    cuda::group_layout layout{nullptr, 70000, packs, 1, 3};
    const cuda::group_grid g = cuda::grid_of(layout, packs);
    BOOST_REQUIRE(g.block.x * g.block.y <= static_cast<unsigned>(cuda::group_threads));
    BOOST_REQUIRE(g.block.y >= 1u);
    BOOST_REQUIRE(index_t{g.grid.z} * g.block.x >= packs);
    BOOST_REQUIRE((index_t{g.grid.z} - 1) * g.block.x < packs);
    BOOST_REQUIRE((g.grid.x == 3u && g.grid.y == 65535u));
    for (index_t rows : {1, 100, 1000000})
      for (index_t images : {1, 7, 1000000}) {
        const index_t slices = cuda::group_slices(rows, images, packs);
        BOOST_REQUIRE((slices >= 1 && slices <= 256));
      }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(group_norm_matches_the_reference, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  worst_share worst("group_norm");
  double worst_statistics = 0;
  unsigned seed = 0;
  for (const shape& s : shapes) {
    draws d(++seed);
    const device_ranges<exec_t> ranges(exec, s.images);
    const index_t cols = s.groups * s.each;
    device_array<exec_t, Scalar> x(exec, ranges.rows(), cols, s.offset), y(exec, ranges.rows(), cols);
    device_array<exec_t, float> w(exec, 1, cols), b(exec, 1, cols), stats(exec, std::ssize(s.images) * s.groups, 2);
    x.set([&] { return 0.5 + d.normal(); }), w.set([&] { return d.normal(); }), b.set([&] { return d.normal(); });
    y.poison(), stats.set([] { return NAN; });
    BOOST_TEST(repeats(
        [&] {
          exec.group_norm(y.device(), stats.device(), x.device(), w.device().flat(), b.device().flat(), ranges.device(),
                          s.groups, 1e-3);
        },
        y, stats));
    reference.group_norm(y.host(), stats.host(), x.host(), w.host().flat(), b.host().flat(), ranges.host(), s.groups,
                         1e-3);
    worst.see(share_of_limit(y, limit<Scalar>("group_norm")));
    worst_statistics = std::max(worst_statistics, stats.error([](index_t) { return 1.0; }));
  }
  BOOST_TEST_MESSAGE(worst.text() << ", statistics: error " << worst_statistics);
  BOOST_TEST(worst.value() <= 1);
  BOOST_TEST(worst_statistics <= limit<Scalar>("group_norm_statistics"));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(group_norm_backward_matches_the_reference, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  worst_share worst("group_norm_backward");
  unsigned seed = 0;
  for (const shape& s : shapes)
    for (int wanted = 0; wanted < 8; ++wanted) {
      draws d(++seed);
      const auto normal = [&] { return d.normal(); };
      const device_ranges<exec_t> ranges(exec, s.images);
      const index_t rows = ranges.rows(), cols = s.groups * s.each;
      const bool add = d.coin(), dx_wanted = wanted & 1, dw_wanted = wanted & 2, db_wanted = wanted & 4;
      device_array<exec_t, Scalar> dy(exec, rows, cols), x(exec, rows, cols, s.offset), dx(exec, rows, cols);
      device_array<exec_t, float> w(exec, 1, cols), dw(exec, 1, cols), db(exec, 1, cols);
      device_array<exec_t, float> stats(exec, std::ssize(s.images) * s.groups, 2);
      bool inverse = true;
      dy.set(normal), x.set(normal), w.set(normal), dw.set(normal), db.set(normal);
      stats.set([&] { return (inverse = !inverse) ? std::abs(d.normal()) + 0.125 : 0.1 * d.normal(); });
      add ? dx.set(normal) : dx.poison();
      const view<float, 1> none;
      BOOST_TEST(repeats(
          [&] {
            exec.group_norm_backward(dx_wanted ? dx.device_sink(add) : gradient_sink<Scalar>{},
                                     dw_wanted ? dw.device().flat() : none, db_wanted ? db.device().flat() : none,
                                     dy.device(), x.device(), w.device().flat(), stats.device(), ranges.device(),
                                     s.groups);
          },
          dx, dw, db));
      const view<double, 1> nothing;
      reference.group_norm_backward(dx_wanted ? dx.host_sink(add) : gradient_sink<double>{},
                                    dw_wanted ? dw.host().flat() : nothing, db_wanted ? db.host().flat() : nothing,
                                    dy.host(), x.host(), w.host().flat(), stats.host(), ranges.host(), s.groups);
      worst.see(share_of_limit(dx, limit<Scalar>("group_norm_backward")));
      worst.see(share_of_limit(dw, limit<Scalar>("group_norm_backward_dw")));
      worst.see(share_of_limit(db, limit<Scalar>("group_norm_backward_dw")));
    }
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

// The offset alone, to the last bit: the values near which sums are counted are the image's own.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_constant_image_becomes_the_offset, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  const device_ranges<exec_t> ranges(exec, {300, 1});
  device_array<exec_t, Scalar> x(exec, 301, 24), y(exec, 301, 24);
  device_array<exec_t, float> w(exec, 1, 24), b(exec, 1, 24), stats(exec, 4, 2);
  x.set([] { return 1000.0; }), y.poison(), w.set([] { return 3.0; }), b.set([] { return -0.5; }), stats.poison();
  exec.group_norm(y.device(), stats.device(), x.device(), w.device().flat(), b.device().flat(), ranges.device(), 2,
                  1e-5);
  for (const Scalar v : y.found()) BOOST_TEST(static_cast<float>(v) == -0.5f);
}

// A mean of thousands of deviations costs no digits but those that x has lost.
BOOST_AUTO_TEST_CASE(a_large_mean_costs_no_digits) {
  cuda_exec<float> exec;
  reference_exec<double> reference;
  draws d(9);
  const device_ranges<cuda_exec<float>> ranges(exec, {200, 30});
  device_array<cuda_exec<float>, float> x(exec, 230, 24), y(exec, 230, 24);
  device_array<cuda_exec<float>, float> w(exec, 1, 24), b(exec, 1, 24), stats(exec, 4, 2);
  x.set([&] { return 4096 + d.normal(); }), y.poison(), w.set([] { return 1.0; }), b.set([] { return 0.0; });
  stats.poison();
  exec.group_norm(y.device(), stats.device(), x.device(), w.device().flat(), b.device().flat(), ranges.device(), 2,
                  1e-5);
  reference.group_norm(y.host(), stats.host(), x.host(), w.host().flat(), b.host().flat(), ranges.host(), 2, 1e-5);
  BOOST_TEST(y.error([](index_t) { return 1.0; }) < 1e-3);  // the mean itself is held to 2^-12
}
