// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_convolution
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>
#include <vector>

#include "cuda/rounding.hpp"
#include "cuda/tolerances.hpp"
#include "transfusion/cuda/convolution.cuh"
#include "transfusion/cuda/max_pool.cuh"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/layer/convolution_taps.hpp"

using namespace cuda_tests;

namespace {

struct convolution_case {
  std::vector<patch_grid> grids;
  patch_shape kernel, stride;
  index_t channels, outputs;
};

/// Pixels, signals, images and volumes, alone and several together; channels of whole packs and of none.
const convolution_case cases[] = {{{{1, 1}}, {1, 1}, {1, 1}, 1, 1},
                                  {{{1, 1}}, {3, 3}, {2, 2}, 3, 8},
                                  {{{1, 31}, {1, 6}}, {1, 3}, {1, 2}, 16, 5},
                                  {{{5, 7}}, {3, 3}, {1, 1}, 8, 16},
                                  {{{8, 6}, {3, 4}, {1, 2}}, {3, 3}, {2, 2}, 33, 8},
                                  {{{13, 13}}, {1, 1}, {2, 2}, 16, 40},
                                  {{{4, 3, 3}, {2, 2, 1}}, {3, 3, 3}, {1, 1, 1}, 8, 7},
                                  {{{4, 5, 3}}, {1, 3, 3}, {1, 2, 2}, 4, 9}};

/// The tables of a convolution, for both.
template <class Exec>
class device_taps {
 public:
  device_taps(Exec& exec, const convolution_case& c) : device_taps(exec, built(c)) {}
  device_taps(Exec& exec, const convolution_taps& t)
      : each_(t.taps_each), taps_(exec, t.taps), reverse_(exec, t.reverse) {}

  view<const token_t, 2> taps() const { return table(taps_.device()); }
  view<const token_t, 2> reverse() const { return table(reverse_.device()); }
  view<const token_t, 2> host_taps() const { return table(taps_.host()); }
  view<const token_t, 2> host_reverse() const { return table(reverse_.host()); }
  index_t each() const { return each_; }

 private:
  static convolution_taps built(const convolution_case& c) {
    convolution_taps t;
    t.build(c.grids, c.kernel, c.stride);
    return t;
  }
  view<const token_t, 2> table(view<const token_t, 1> flat) const { return {flat.data, flat.size() / each_, each_}; }

  index_t each_;
  device_tokens<Exec> taps_, reverse_;
};

struct errors {
  double y = 0, dx = 0, dw = 0, db = 0;
};

template <class Scalar>
void check_errors(const errors& worst) {
  BOOST_TEST_MESSAGE("y: error " << worst.y << ", dx: " << worst.dx << ", dw: " << worst.dw << ", db: " << worst.db);
  BOOST_TEST(worst.y <= limit<Scalar>("convolution"));
  BOOST_TEST(worst.dx <= limit<Scalar>("convolution_backward_dx"));
  BOOST_TEST(worst.dw <= limit<Scalar>("convolution_backward_dw"));
  BOOST_TEST(worst.db <= limit<Scalar>("convolution_backward_db"));
}

/// Both ways once, `wanted` of dx, dw and db, against the reference; and twice, bit for bit. `whole`: of whole numbers,
/// whose sums are exact in float.
template <class Scalar>
void compare(cuda_exec<Scalar>& exec, const device_taps<cuda_exec<Scalar>>& tables, index_t channels, index_t outputs,
             index_t offset, int wanted, unsigned seed, errors& worst, bool whole = false) {
  using exec_t = cuda_exec<Scalar>;
  reference_exec<double> reference;
  draws d(seed);
  const auto normal = [&] { return whole ? static_cast<double>(d.below(5) - 2) : d.normal(); };
  const index_t rows = tables.taps().rows(), inputs = tables.reverse().rows(), inner = tables.each() * channels;
  const bool bias = wanted & 1, add = d.coin();
  device_array<exec_t, Scalar> x(exec, inputs, channels, offset), w(exec, outputs, inner, offset);
  device_array<exec_t, Scalar> b(exec, 1, outputs, offset), y(exec, rows, outputs, offset), dy(exec, rows, outputs);
  device_array<exec_t, Scalar> dx(exec, inputs, channels, offset);
  device_array<exec_t, float> dw(exec, outputs, inner, offset), db(exec, 1, outputs, offset);
  x.set(normal), w.set(normal), b.set(normal), y.poison(), dy.set(normal), dw.set(normal), db.set(normal);
  add ? dx.set(normal) : dx.poison();
  BOOST_TEST(repeats(
      [&] {
        exec.convolution(y.device(), x.device(), w.device(), bias ? b.device().flat() : view<Scalar, 1>{},
                         tables.taps());
        exec.convolution_backward(wanted & 1 ? dx.device_sink(add) : gradient_sink<Scalar>{},
                                  wanted & 2 ? dw.device() : view<float, 2>{},
                                  wanted & 4 ? db.device().flat() : view<float, 1>{}, dy.device(), x.device(),
                                  w.device(), tables.taps(), tables.reverse());
      },
      y, dx, dw, db));
  reference.convolution(y.host(), x.host(), w.host(), bias ? b.host().flat() : view<double, 1>{}, tables.host_taps());
  reference.convolution_backward(wanted & 1 ? dx.host_sink(add) : gradient_sink<double>{},
                                 wanted & 2 ? dw.host() : view<double, 2>{},
                                 wanted & 4 ? db.host().flat() : view<double, 1>{}, dy.host(), x.host(), w.host(),
                                 tables.host_taps(), tables.host_reverse());
  worst.y = std::max(worst.y, y.error(size_of_sum(inner)));
  worst.dx = std::max(worst.dx, dx.error(size_of_sum(tables.each() * outputs)));
  worst.dw = std::max(worst.dw, dw.error(size_of_sum(rows)));
  worst.db = std::max(worst.db, db.error(size_of_sum(rows)));
}

}  // namespace

BOOST_AUTO_TEST_CASE(gathered_rows_are_whole_steps_that_fit) {
  for (index_t rows : {1, 127, 128, 129, 1000, 4096, 100000})
    for (index_t bytes : {0, 1, 18, 1152, 9216, 200000, 262144, 40000000})
      for (index_t most : {index_t{1} << 10, index_t{1} << 20, cuda::gathered_bytes}) {
        const index_t chunk = cuda::gathered_rows(rows, bytes, most);
        BOOST_TEST(chunk > 0);
        BOOST_TEST(chunk % cuda::chunk_step == 0);
        BOOST_TEST((chunk * bytes <= most || chunk == cuda::chunk_step));
        // No fewer rows than it takes for the least number of chunks, to the next step.
        BOOST_TEST(chunk < cuda::ceil_div(rows, cuda::ceil_div(rows, chunk)) + cuda::chunk_step);
      }
  static_assert(cuda::gathered_rows(0, 100) == 0 || cuda::gathered_rows(0, 100) == cuda::chunk_step);
  static_assert(cuda::gathered_rows(4096, 1152) == 4096);
  static_assert(cuda::gathered_rows(40000, 1152) == 20096);
}

// Rows (tap, output) of the turned weights are rows (output, tap) of the others, each once.
BOOST_AUTO_TEST_CASE(turned_weights_are_all_of_the_weights) {
  for (index_t outputs : {1, 2, 5, 64})
    for (index_t taps : {1, 3, 9, 27}) {
      std::set<index_t> seen;
      for (index_t k = 0; k < taps; ++k)
        for (index_t o = 0; o < outputs; ++o) {
          BOOST_TEST(cuda::weight_row(k * outputs + o, outputs, taps) == o * taps + k);
          seen.insert(cuda::weight_row(k * outputs + o, outputs, taps));
        }
      BOOST_TEST(std::ssize(seen) == outputs * taps);
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(convolution_matches_the_reference, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  errors worst;
  unsigned seed = 0;
  for (const convolution_case& c : cases) {
    const device_taps<cuda_exec<Scalar>> tables(exec, c);
    for (int wanted = 0; wanted < 8; ++wanted)
      compare(exec, tables, c.channels, c.outputs, wanted % 3, wanted, ++seed, worst);
  }
  check_errors<Scalar>(worst);
}

// Rows of gathered neighbours so wide that all of them do not stand in memory at once.
BOOST_AUTO_TEST_CASE(convolution_in_several_chunks_matches_the_reference) {
  cuda_exec<float> exec;
  errors worst;
  constexpr index_t pixels = 130, wide = 65540;
  static_assert(cuda::gathered_rows(pixels, wide * 4) == 128);
  const device_taps<cuda_exec<float>> tables(exec, {{{1, pixels}}, {1, 1}, {1, 1}, 1, 1});
  compare(exec, tables, wide, 1, 0, 3, 1, worst, true);  // y and dw
  compare(exec, tables, 1, wide, 0, 5, 2, worst, true);  // dx
  BOOST_TEST(worst.y == 0);
  BOOST_TEST(worst.dx == 0);
  BOOST_TEST(worst.dw == 0);
  BOOST_TEST(worst.db == 0);
}

// Halves of whole numbers, so that many are equal; what is no number among them shows, and has the gradient.
BOOST_AUTO_TEST_CASE_TEMPLATE(max_pool_matches_the_reference, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  unsigned seed = 0;
  worst_share worst("max_pool_backward");
  for (const convolution_case& c : cases) {
    const device_taps<exec_t> tables(exec, c);
    const index_t rows = tables.taps().rows(), inputs = tables.reverse().rows();
    for (const bool add : {false, true}) {
      draws d(++seed);
      const index_t offset = d.below(2);
      device_array<exec_t, Scalar> x(exec, inputs, c.channels, offset), y(exec, rows, c.channels, offset);
      device_array<exec_t, Scalar> dy(exec, rows, c.channels), dx(exec, inputs, c.channels, offset);
      x.set([&] { return d.below(40) == 0 ? NAN : std::round(2 * d.normal()) / 2; });
      y.poison(), dy.set([&] { return d.normal(); });
      add ? dx.set([&] { return d.normal(); }) : dx.poison();
      BOOST_TEST(repeats(
          [&] {
            exec.max_pool(y.device(), x.device(), tables.taps());
            exec.max_pool_backward(dx.device_sink(add), dy.device(), x.device(), tables.taps(), tables.reverse());
          },
          y, dx));
      reference.max_pool(y.host(), x.host(), tables.host_taps());
      reference.max_pool_backward(dx.host_sink(add), dy.host(), x.host(), tables.host_taps(), tables.host_reverse());
      BOOST_TEST(y.error([](index_t) { return 1.0; }) == 0);
      worst.see(share_of_limit(dx, limit<Scalar>("max_pool_backward")));
    }
  }
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
  exec.max_pool_backward({}, {}, {}, {}, {});
}

// A row without taps is zero, and a pixel that no window sees has no gradient.
BOOST_AUTO_TEST_CASE_TEMPLATE(max_pool_without_taps, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  const device_tokens<exec_t> taps(exec, {-1, -1, 1, -1}), reverse(exec, {-1, -1, 1, -1, -1, -1});
  device_array<exec_t, Scalar> x(exec, 3, 8), y(exec, 2, 8), dx(exec, 3, 8);
  x.set([] { return -2.0; }), y.poison(), dx.poison();
  const view<const token_t, 2> table(taps.device().data, 2, 2), back(reverse.device().data, 3, 2);
  exec.max_pool(y.device(), x.device(), table);
  exec.max_pool_backward(dx.device_sink(false), y.device(), x.device(), table, back);
  for (index_t i = 0; i < 24; ++i) {
    const float expected = i / 8 == 1 ? -2.0f : 0.0f;
    if (i < 16) BOOST_TEST(static_cast<float>(y.found()[static_cast<std::size_t>(i)]) == expected);
    BOOST_TEST(static_cast<float>(dx.found()[static_cast<std::size_t>(i)]) == expected);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(no_pixels_change_nothing, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  device_array<exec_t, Scalar> nothing(exec, 0, 2), out(exec, 0, 3), w(exec, 3, 18);
  device_array<exec_t, float> dw(exec, 3, 18), db(exec, 1, 3);
  w.set([] { return 1.0; }), dw.set([] { return 2.0; }), db.set([] { return 3.0; });
  const view<const token_t, 2> none(nullptr, 0, 9);
  exec.convolution(out.device(), nothing.device(), w.device(), {}, none);
  exec.convolution_backward(nothing.device_sink(false), dw.device(), db.device().flat(), out.device(), nothing.device(),
                            w.device(), none, none);
  exec.max_pool(nothing.device(), nothing.device(), none);
  exec.max_pool_backward(nothing.device_sink(false), nothing.device(), nothing.device(), none, none);
  BOOST_TEST(dw.error([](index_t) { return 0.0; }) == 0);
  BOOST_TEST(db.error([](index_t) { return 0.0; }) == 0);
}
