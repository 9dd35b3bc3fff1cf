// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_image_statistics
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "cuda/image_batches.hpp"
#include "cuda/rounding.hpp"
#include "cuda/tolerances.hpp"
#include "transfusion/cuda/image_statistics.cuh"

using namespace cuda_tests;

namespace {

/// Calls f(exec, reference, images, offset, draws): images of one value, of a few, that begin between packs, and of
/// many values beside small ones.
template <class Scalar, class F>
void for_images(F f) {
  cuda_exec<Scalar> exec;
  reference_exec<double> reference;
  unsigned seed = 0;
  const std::vector<std::vector<image_shape>> batches = {{},
                                                         {{1, 1, 1}},
                                                         {{1, 1, 2}, {3, 1, 1}, {1, 1, 1}},
                                                         {{3, 5, 7}, {1, 2, 2, 3}, {4, 8, 8}},
                                                         {{3, 60, 64}, {1, 1, 3}, {2, 100, 101}}};
  for (const auto& shapes : batches)
    for (index_t gap : {0, 1})
      for (index_t offset : {0, 1}) {
        draws d(++seed);
        const device_images<cuda_exec<Scalar>> places(exec, shapes, {1, 1}, gap);
        f(exec, reference, places, offset, d);
      }
}

}  // namespace

BOOST_AUTO_TEST_CASE(slices_follow_from_the_shapes) {
  static_assert(cuda::image_slices(0, 5) == 1);
  static_assert(cuda::image_slices(8192, 1) == 1);
  static_assert(cuda::image_slices(8193, 1) == 2);
  static_assert(cuda::image_slices(10 * 8193, 10) == 2);
  static_assert(cuda::image_slices(index_t{1} << 40, 2) == 32);
}

// As the reference's: a quantile of one value is that value, the last one is that of 1.
BOOST_AUTO_TEST_CASE(quantiles_lie_between_neighbours) {
  for (index_t n : {1, 2, 3, 10, 1000, 1 << 30})
    for (double q : {0.0, 0.1, 0.5, 0.995, 1.0}) {
      const cuda::quantile_place place = cuda::place_of_quantile(q, n);
      BOOST_TEST((place.below >= 0 && place.below < n));
      BOOST_TEST((place.part >= 0 && place.part < 1));
      BOOST_TEST(static_cast<double>(place.below) + place.part == q * static_cast<double>(n - 1));
      if (q == 1) BOOST_TEST(place.below == n - 1);
    }
}

// The digits are the 31 bits of a size, each once.
BOOST_AUTO_TEST_CASE(digits_are_all_bits_of_a_size) {
  std::uint32_t all = 0;
  for (int digit = 0; digit < cuda::quantile_digits; ++digit) {
    const cuda::size_digit d = cuda::digit_of_size(digit);
    BOOST_TEST((1 << d.bits) <= cuda::quantile_bins);
    BOOST_TEST((1 << d.bits) % 32 == 0);
    const std::uint32_t mask = ((1u << d.bits) - 1) << d.shift;
    BOOST_TEST((all & mask) == 0u);
    BOOST_TEST((digit == 0 || mask < all));
    all |= mask;
  }
  BOOST_TEST(all == 0x7fffffffu);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(match_deviation_matches_the_reference, Scalar, scalars) {
  worst_share worst("match_deviation");
  for_images<Scalar>([&](auto& exec, auto& reference, const auto& places, index_t offset, draws& d) {
    using array = device_array<cuda_exec<Scalar>, float>;
    for (double strength : {0.0, 0.7, 1.0}) {
      array x(exec, 1, places.values(), offset), other(exec, 1, places.values());
      x.set([&] { return 3 + 2 * d.normal(); }), other.set([&] { return d.normal() - 1; });
      BOOST_TEST(repeats(
          [&] { exec.match_deviation(x.device().flat(), other.device().flat(), places.device(), strength); }, x));
      reference.match_deviation(x.host().flat(), other.host().flat(), places.host(), strength);
      worst.see(share_of_limit(x, limit<Scalar>("match_deviation")));
    }
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

// Values that are all one number, however large: nothing to scale, and no number divided by zero.
BOOST_AUTO_TEST_CASE_TEMPLATE(an_image_of_equal_values_is_left_alone, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  const device_images<exec_t> places(exec, {{3, 17, 19}, {1, 1, 1}}, {1, 1});
  device_array<exec_t, float> x(exec, 1, places.values()), other(exec, 1, places.values());
  draws d(1);
  x.set([] { return 1e6 + 0.1; }), other.set([&] { return d.normal(); });
  exec.match_deviation(x.device().flat(), other.device().flat(), places.device(), 0.7);
  for (const float v : x.found()) BOOST_TEST(v == static_cast<float>(1e6 + 0.1));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(dynamic_threshold_matches_the_reference, Scalar, scalars) {
  worst_share worst("dynamic_threshold");
  for_images<Scalar>([&](auto& exec, auto& reference, const auto& places, index_t offset, draws& d) {
    using array = device_array<cuda_exec<Scalar>, float>;
    for (double quantile : {0.0, 0.5, 0.9, 0.995, 1.0})
      for (double floor : {0.25, 1.0}) {
        const bool ties = d.coin();  // many values of one size, and zeros of both signs
        array x(exec, 1, places.values(), offset);
        x.set([&] { return ties ? static_cast<double>(d.below(7) - 3) * 0.5 : 2 * d.normal(); });
        BOOST_TEST(repeats([&] { exec.dynamic_threshold(x.device().flat(), places.device(), quantile, floor); }, x));
        reference.dynamic_threshold(x.host().flat(), places.host(), quantile, floor);
        worst.see(share_of_limit(x, limit<Scalar>("dynamic_threshold")));
      }
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

// Every size that a float has a name for, and what is no number counts as larger than any.
BOOST_AUTO_TEST_CASE(dynamic_threshold_sorts_extreme_values) {
  cuda_exec<float> exec;
  reference_exec<double> reference;
  const std::vector<double> kinds = {0.0,          -0.0,  0x1p-149, -0x1p-126, 0x1.fffffep-1, 1.0,  -1.0,
                                     0x1.000002p0, -3e38, 1e-30,    12345.0,   NAN,           -NAN, 2.5};
  const device_images<cuda_exec<float>> places(exec, {{1, 1, std::ssize(kinds)}}, {1, 1});
  for (index_t rank = 0; rank < std::ssize(kinds); ++rank) {
    device_array<cuda_exec<float>, float> x(exec, 1, std::ssize(kinds));
    std::size_t next = 0;
    x.set([&] { return kinds[next++]; });
    const double quantile = static_cast<double>(rank) / static_cast<double>(std::ssize(kinds) - 1);
    exec.dynamic_threshold(x.device().flat(), places.device(), quantile, 1);
    reference.dynamic_threshold(x.host().flat(), places.host(), quantile, 1);
    BOOST_TEST(share_of_limit(x, limit<float>("dynamic_threshold")) <= 1, "rank " << rank);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(scaled_error_matches_the_reference, Scalar, scalars) {
  worst_share worst("scaled_error");
  for_images<Scalar>([&](auto& exec, auto& reference, const auto& places, index_t offset, draws& d) {
    using array = device_array<cuda_exec<Scalar>, float>;
    const auto normal = [&] { return d.normal(); };
    array error(exec, 1, places.values(), offset), a(exec, 1, places.values(), offset), b(exec, 1, places.values());
    array out(exec, places.host().size(), 1);
    error.set(normal), a.set(normal), b.set(normal), out.set([] { return NAN; });
    BOOST_TEST(repeats(
        [&] {
          exec.scaled_error(out.device().flat(), error.device().flat(), a.device().flat(), b.device().flat(),
                            places.device(), 0.01, 0.1);
        },
        out));
    reference.scaled_error(out.host().flat(), error.host().flat(), a.host().flat(), b.host().flat(), places.host(),
                           0.01, 0.1);
    worst.see(share_of_limit(out, limit<Scalar>("scaled_error")));
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}
