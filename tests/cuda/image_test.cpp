// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_image
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cuda/image_batches.hpp"
#include "cuda/rounding.hpp"
#include "cuda/tolerances.hpp"
#include "transfusion/cuda/image.cuh"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/cuda/pointwise_error.cuh"

using namespace cuda_tests;

namespace {

template <class Int>
void check_patch_index(const image_shape& s, const patch_shape& patch) {
  const cuda::patch_index<Int> index(s, patch);
  std::vector<double> values(static_cast<std::size_t>(s.size())), rows(values.size());
  for (std::size_t e = 0; e < values.size(); ++e) values[e] = static_cast<double>(e);
  const image_place place{0, 0, s};
  const index_t width = s.channels * patch.size();
  const view<double, 2> cut(rows.data(), s.size() / width, width);
  reference_exec<double>().patchify(cut, {values.data(), s.size()}, {&place, 1}, patch);
  index_t wrong = 0;
  for (index_t row = 0; row < cut.rows(); ++row)
    for (index_t col = 0; col < width; ++col) {
      const auto value = static_cast<Int>(cut(row, col));
      const auto cell = index.cell(value);
      wrong += index.value(static_cast<Int>(row), static_cast<Int>(col)) != value ||
               cell.row != static_cast<Int>(row) || cell.col != static_cast<Int>(col);
    }
  BOOST_TEST(wrong == 0);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_value_has_its_cell) {
  for (patch_shape patch : patch_kinds)
    for (index_t channels : {1, 2, 3})
      for (index_t down : {1, 2, 5})
        for (index_t across : {1, 3, 4})
          for (index_t deep : {1, 2}) {
            const image_shape s{channels, down * patch.height, across * patch.width, deep * patch.depth};
            check_patch_index<std::uint32_t>(s, patch);
            check_patch_index<index_t>(s, patch);
          }
}

BOOST_AUTO_TEST_CASE(large_images_are_counted_in_64_bits) {
  BOOST_TEST(cuda::counts_in_32_bits({3, 1024, 1024}));
  BOOST_TEST(!cuda::counts_in_32_bits({2, 32768, 32768}));
  const cuda::patch_index<index_t> index({4, 65536, 65536}, {16, 16});
  const index_t value = (index_t{3} * 65536 + 65535) * 65536 + 65535;
  BOOST_TEST(index.cell(value).row == 4096 * 4096 - 1);
  BOOST_TEST(index.cell(value).col == 4 * 256 - 1);
  BOOST_TEST(index.value(4096 * 4096 - 1, 4 * 256 - 1) == value);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(patches_match_the_reference, Scalar, scalars) {
  for_batches<Scalar>([](auto& exec, auto& reference, const auto& places, index_t channels, patch_shape patch,
                         index_t offset, draws& d) {
    using exec_t = cuda_exec<Scalar>;
    const auto normal = [&] { return d.normal(); };
    const index_t width = channels * patch.size();
    device_array<exec_t, float> values(exec, 1, places.values(), offset);
    device_array<exec_t, Scalar> patches(exec, places.patches(), width), back(exec, 1, places.values(), offset);
    values.set(normal), patches.poison(), back.set(normal);
    BOOST_TEST(repeats(
        [&] {
          exec.patchify(patches.device(), values.device().flat(), places.device(), patch);
          exec.unpatchify(back.device().flat(), patches.device(), places.device(), patch);
        },
        patches, back));
    reference.patchify(patches.host(), values.host().flat(), places.host(), patch);
    // What lies between the images is left alone.
    BOOST_TEST(share_of_limit(patches, limit<Scalar>("patchify")) <= 1);
    reference.unpatchify(back.host().flat(), patches.host(), places.host(), patch);
    BOOST_TEST(share_of_limit(back, limit<Scalar>("patchify")) <= 1);
    for (bool add : {false, true}) {
      device_array<exec_t, Scalar> dpatches(exec, places.patches(), width, offset);
      add ? dpatches.set(normal) : dpatches.poison();
      exec.unpatchify_backward(dpatches.device_sink(add), back.device().flat(), places.device(), patch);
      const std::vector<Scalar> rounded = back.found();
      std::vector<double> exact(rounded.begin(), rounded.end());
      reference_exec<double> oracle;
      std::vector<double> moved(static_cast<std::size_t>(dpatches.host().size()));
      oracle.patchify({moved.data(), dpatches.host().rows(), width}, {exact.data(), std::ssize(exact)}, places.host(),
                      patch);
      oracle.accumulate(dpatches.host_sink(add), {moved.data(), dpatches.host().rows(), width});
      BOOST_TEST(share_of_limit(dpatches, limit<Scalar>("unpatchify_backward")) <= 1);
    }
    exec.unpatchify_backward({}, back.device().flat(), places.device(), patch);
  });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(mix_matches_the_reference, Scalar, scalars) {
  for_batches<Scalar>(
      [](auto& exec, auto& reference, const auto& places, index_t, patch_shape, index_t offset, draws& d) {
        using array = device_array<cuda_exec<Scalar>, float>;
        const auto normal = [&] { return d.normal(); };
        array a(exec, 1, places.values(), offset), b(exec, 1, places.values()), out(exec, 1, places.values());
        array coefficients(exec, places.host().size(), 2);
        a.set(normal), b.set(normal), out.set(normal), coefficients.set(normal);
        const auto mix = [&](auto& into) {
          exec.mix(into.device().flat(), a.device().flat(), b.device().flat(), coefficients.device(), places.device());
          reference.mix(into.host().flat(), a.host().flat(), b.host().flat(), coefficients.host(), places.host());
          BOOST_TEST(share_of_limit(into, limit<Scalar>("mix")) <= 1);
        };
        mix(out);
        mix(b);
      });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(clamp_matches_the_reference, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  reference_exec<double> reference;
  for (index_t count : {0, 1, 5, 64, 1027})
    for (index_t offset : {0, 1}) {
      draws d(static_cast<unsigned>(count));
      device_array<cuda_exec<Scalar>, float> x(exec, 1, count, offset);
      x.set([&] { return d.below(9) == 0 ? NAN : d.normal(); });
      exec.clamp(x.device().flat(), -0.5, 0.75);
      reference.clamp(x.host().flat(), -0.5, 0.75);
      BOOST_TEST(x.error([](index_t) { return 1.0; }) == 0);
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(pointwise_errors_match_the_reference, Scalar, scalars) {
  for_batches<Scalar>([](auto& exec, auto& reference, const auto& places, index_t, patch_shape, index_t offset,
                         draws& d) {
    using exec_t = cuda_exec<Scalar>;
    const auto kind = static_cast<error_kind>(d.below(4));
    // Errors that are linear have one sign, so that their sum cancels nothing.
    const auto normal = [&] { return kind == error_kind::linear ? std::abs(d.normal()) : d.normal(); };
    const index_t images = places.host().size();
    device_array<exec_t, Scalar> prediction(exec, 1, places.values(), offset);
    device_array<exec_t, float> target(exec, 1, places.values()), weights(exec, 1, images), loss(exec, images, 1);
    prediction.set(normal), target.set(normal), weights.set(normal), loss.set([] { return NAN; });
    for (int wanted = 0; wanted < 3; ++wanted) {
      const bool add = wanted == 1;
      device_array<exec_t, Scalar> dprediction(exec, 1, places.values(), offset);
      dprediction.set(normal);
      const auto sink = wanted < 2 ? dprediction.device_sink(add) : gradient_sink<Scalar>{};
      BOOST_TEST(repeats(
          [&] {
            exec.pointwise_error(kind, loss.device().flat(), sink, prediction.device().flat(), target.device().flat(),
                                 places.device(), weights.device().flat());
          },
          loss, dprediction));
      reference.pointwise_error(kind, loss.host().flat(),
                                wanted < 2 ? dprediction.host_sink(add) : gradient_sink<double>{},
                                prediction.host().flat(), target.host().flat(), places.host(), weights.host().flat());
      BOOST_TEST(share_of_limit(loss, limit<Scalar>("pointwise_error")) <= 1);
      BOOST_TEST(share_of_limit(dprediction, limit<Scalar>("pointwise_error_backward")) <= 1);
    }
  });
}

// Images of very different sizes, the large one in many slices.
BOOST_AUTO_TEST_CASE_TEMPLATE(pointwise_errors_of_large_images, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  draws d(1);
  const auto normal = [&] { return d.normal(); };
  const device_images<exec_t> places(exec, {{3, 256, 320}, {1, 1, 1}, {3, 2, 3}}, {1, 1});
  device_array<exec_t, Scalar> prediction(exec, 1, places.values()), dprediction(exec, 1, places.values());
  device_array<exec_t, float> target(exec, 1, places.values()), weights(exec, 1, 3), loss(exec, 3, 1);
  prediction.set(normal), dprediction.poison(), target.set(normal), weights.set([] { return 1.0; });
  loss.set([] { return NAN; });
  for (const error_kind kind : {error_kind::squared, error_kind::absolute, error_kind::hinge}) {
    exec.pointwise_error(kind, loss.device().flat(), dprediction.device_sink(false), prediction.device().flat(),
                         target.device().flat(), places.device(), weights.device().flat());
    reference.pointwise_error(kind, loss.host().flat(), dprediction.host_sink(false), prediction.host().flat(),
                              target.host().flat(), places.host(), weights.host().flat());
    BOOST_TEST(share_of_limit(loss, limit<Scalar>("pointwise_error_large")) <= 1);
    BOOST_TEST(share_of_limit(dprediction, limit<Scalar>("pointwise_error_backward")) <= 1);
  }
}
