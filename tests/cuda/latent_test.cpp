// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_latent
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "cuda/device_ranges.hpp"
#include "cuda/rounding.hpp"
#include "cuda/tolerances.hpp"
#include "transfusion/cuda/latent.cuh"
#include "transfusion/cuda/memory.cuh"

using namespace cuda_tests;

namespace {

struct latent_shape {
  std::vector<index_t> images;  ///< their rows
  index_t channels, offset;
};
/// Packs of 1, 4 and 8; one and several slices an image; images of very different sizes, one of them without rows.
const latent_shape shapes[] = {{{}, 4, 0},           {{1}, 1, 0},     {{5}, 3, 0},          {{1, 0, 7}, 4, 0},
                               {{64, 64, 64}, 4, 0}, {{37, 2}, 8, 1}, {{1, 1, 300}, 16, 0}, {{1200, 5}, 17, 0}};

/// Indices into a table, on the device.
template <class Exec>
std::vector<token_t> nearest(Exec& exec, view<const typename Exec::scalar, 2> x,
                             view<const typename Exec::scalar, 2> table) {
  device_tokens<Exec> memory(exec, std::vector<token_t>(static_cast<std::size_t>(x.rows()), -77));
  const view<token_t, 1> out(const_cast<token_t*>(memory.device().data), x.rows());
  exec.nearest_rows(out, x, table);
  std::vector<token_t> found(static_cast<std::size_t>(x.rows()));
  exec.download(found.data(), out.data, found.size() * sizeof(token_t));
  return found;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(gaussian_samples_match_the_reference, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  worst_share worst("gaussian_sample");
  unsigned seed = 0;
  for (const latent_shape& s : shapes)
    for (const bool with_noise : {false, true}) {
      draws d(++seed);
      const device_ranges<exec_t> ranges(exec, s.images);
      device_array<exec_t, Scalar> moments(exec, ranges.rows(), 2 * s.channels, s.offset);
      device_array<exec_t, Scalar> z(exec, ranges.rows(), s.channels, s.offset);
      device_array<exec_t, float> noise(exec, ranges.rows(), s.channels), kl(exec, std::ssize(s.images), 1);
      moments.set([&] { return d.normal(); }), noise.set([&] { return d.normal(); }), z.poison(), kl.poison();
      BOOST_TEST(repeats(
          [&] {
            exec.gaussian_sample(z.device(), kl.device().flat(), moments.device(),
                                 with_noise ? noise.device() : view<float, 2>{}, ranges.device());
          },
          z, kl));
      reference.gaussian_sample(z.host(), kl.host().flat(), moments.host(),
                                with_noise ? noise.host() : view<double, 2>{}, ranges.host());
      worst.see(share_of_limit(z, limit<Scalar>("gaussian_sample")));
      worst.see(share_of_limit(kl, limit<Scalar>("gaussian_sample_kl")));
    }
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gaussian_sample_gradients_match_the_reference, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  worst_share worst("gaussian_sample_backward");
  unsigned seed = 0;
  for (const latent_shape& s : shapes)
    for (int given = 0; given < 8; ++given) {
      draws d(++seed);
      const auto normal = [&] { return d.normal(); };
      const bool add = d.coin();
      const device_ranges<exec_t> ranges(exec, s.images);
      const index_t rows = ranges.rows();
      device_array<exec_t, Scalar> moments(exec, rows, 2 * s.channels), dz(exec, rows, s.channels, s.offset);
      device_array<exec_t, Scalar> dmoments(exec, rows, 2 * s.channels, s.offset);
      device_array<exec_t, float> noise(exec, rows, s.channels), weights(exec, std::ssize(s.images), 1);
      moments.set(normal), dz.set(normal), noise.set(normal), weights.set(normal);
      add ? dmoments.set(normal) : dmoments.poison();
      BOOST_TEST(repeats(
          [&] {
            exec.gaussian_sample_backward(dmoments.device_sink(add), given & 1 ? dz.device() : view<Scalar, 2>{},
                                          moments.device(), given & 2 ? noise.device() : view<float, 2>{},
                                          ranges.device(), given & 4 ? weights.device().flat() : view<float, 1>{});
          },
          dmoments));
      reference.gaussian_sample_backward(dmoments.host_sink(add), given & 1 ? dz.host() : view<double, 2>{},
                                         moments.host(), given & 2 ? noise.host() : view<double, 2>{}, ranges.host(),
                                         given & 4 ? weights.host().flat() : view<double, 1>{});
      worst.see(share_of_limit(dmoments, limit<Scalar>("gaussian_sample_backward")));
      exec.gaussian_sample_backward({}, dz.device(), moments.device(), {}, ranges.device(), {});
    }
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

// Beyond its range the log-variance counts as the end of the range, and gets no gradient.
BOOST_AUTO_TEST_CASE_TEMPLATE(log_variances_beyond_their_range, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  const device_ranges<exec_t> ranges(exec, {2});
  device_array<exec_t, Scalar> moments(exec, 2, 2), z(exec, 2, 1), dz(exec, 2, 1), dmoments(exec, 2, 2);
  device_array<exec_t, float> noise(exec, 2, 1), kl(exec, 1, 1), weights(exec, 1, 1);
  double next = -140;
  moments.set([&] { return next += 100; });  // means -40 and 160, log-variances 60 and 260
  z.poison(), dz.set([] { return 3.0; }), dmoments.poison(), noise.set([] { return 1.0; }), kl.poison();
  weights.set([] { return 0.0; });
  exec.gaussian_sample(z.device(), kl.device().flat(), moments.device(), noise.device(), ranges.device());
  exec.gaussian_sample_backward(dmoments.device_sink(false), dz.device(), moments.device(), noise.device(),
                                ranges.device(), weights.device().flat());
  const double deviation = std::exp(10.0), variance = std::exp(20.0);
  BOOST_TEST(static_cast<double>(static_cast<float>(z.found()[0])) == deviation - 40,
             boost::test_tools::tolerance(0.01));
  BOOST_TEST(static_cast<double>(kl.found()[0]) == variance + (40. * 40 + 160. * 160) / 2 - 21,
             boost::test_tools::tolerance(1e-5));
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(static_cast<float>(dmoments.found()[i]) == (i % 2 == 0 ? 3.0f : 0.0f));
}

// Of whole numbers, whose products are exact: the reference to the last index, ties among them.
BOOST_AUTO_TEST_CASE_TEMPLATE(nearest_rows_match_the_reference, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  unsigned seed = 0;
  for (const index_t rows : {0, 1, 5, 40})
    for (const index_t entries : {1, 31, 300})
      for (const index_t width : {1, 4, 33}) {
        draws d(++seed);
        const auto whole = [&] { return static_cast<double>(d.below(9) - 4); };
        device_array<exec_t, Scalar> x(exec, rows, width, d.below(2)), table(exec, entries, width);
        x.set([&] { return d.below(60) == 0 ? d.coin() ? NAN : INFINITY : whole(); }), table.set(whole);
        std::vector<token_t> expected(static_cast<std::size_t>(rows));
        reference.nearest_rows({expected.data(), rows}, x.host(), table.host());
        for (int repeat = 0; repeat < 2; ++repeat) BOOST_TEST(nearest(exec, x.device(), table.device()) == expected);
      }
}

// Rows whose scores do not stand in memory at once.
BOOST_AUTO_TEST_CASE(nearest_rows_in_chunks) {
  constexpr index_t entries = index_t{1} << 17, rows = 131;
  static_assert(cuda::logit_rows(rows, entries) == 128);
  cuda_exec<float> exec;
  draws d(1);
  device_array<cuda_exec<float>, float> x(exec, rows, 2), table(exec, entries, 2);
  // Places of a grid 512 wide, exact in float.
  index_t next = -1;
  table.set([&] { return ++next % 2 == 0 ? next / 2 % 512 : next / 2 / 512; });
  std::vector<token_t> expected;
  for (index_t n = 0; n < rows; ++n) expected.push_back(static_cast<token_t>(d.below(entries)));
  next = -1;
  x.set([&] {
    const token_t v = expected[static_cast<std::size_t>(++next / 2)];
    return next % 2 == 0 ? v % 512 : v / 512;
  });
  BOOST_TEST(nearest(exec, x.device(), table.device()) == expected);
}

// A table that is not finite decides nothing.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_table_that_is_not_finite_gives_0, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  device_array<exec_t, Scalar> x(exec, 2, 3), table(exec, 40, 3);
  x.set([] { return 1.0; });
  int next = 0;
  table.set([&] { return ++next == 100 ? NAN : static_cast<double>(next); });
  BOOST_TEST(nearest(exec, x.device(), table.device()) == std::vector<token_t>(2, 0));
}
