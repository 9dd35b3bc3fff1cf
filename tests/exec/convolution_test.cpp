// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE exec_convolution
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "exec/trial.hpp"
#include "support/policies.hpp"
#include "transfusion/layer/convolution_taps.hpp"

using namespace transfusion;
using operation_cases::normalised_error;
using operation_cases::trial;
using test_support::policies;

namespace {

struct convolution_case {
  const char* name;
  std::vector<patch_grid> grids;
  patch_shape kernel, stride;
};

std::vector<convolution_case> all_cases() {
  std::vector<convolution_case> all;
  for (const index_t kernel : {1, 3})
    for (const index_t stride : {1, 2}) {
      all.push_back({"signals", {{1, 7}, {1, 1}, {1, 4}}, {1, kernel}, {1, stride}});
      all.push_back({"images", {{5, 4}, {2, 7}, {1, 1}}, {kernel, kernel}, {stride, stride}});
      all.push_back({"volumes", {{3, 4, 5}, {2, 3, 2}}, {kernel, kernel, kernel}, {stride, stride, stride}});
    }
  all.push_back({"oblong", {{4, 6, 3}}, {1, 3, 5}, {1, 2, 1}});
  return all;
}

/// The definition, for one image [Z, H, W, C] and weights [O, KZ, KH, KW, C]: at each pixel on a whole multiple of the
/// stride the sum over a kernel centred there, of zeros outside the image.
template <class T>
void convolve(patch_grid g, patch_shape k, patch_shape stride, index_t channels, index_t outputs, const T* x,
              const T* w, const T* b, std::vector<double>& y) {
  const auto inside = [](index_t i, index_t extent) { return 0 <= i && i < extent; };
  for (index_t z = 0; z < g.planes; z += stride.depth)
    for (index_t row = 0; row < g.rows; row += stride.height)
      for (index_t col = 0; col < g.cols; col += stride.width)
        for (index_t o = 0; o < outputs; ++o) {
          double sum = static_cast<double>(b[o]);
          for (index_t kz = 0; kz < k.depth; ++kz)
            for (index_t kr = 0; kr < k.height; ++kr)
              for (index_t kc = 0; kc < k.width; ++kc) {
                const index_t pz = z + kz - k.depth / 2, pr = row + kr - k.height / 2, pc = col + kc - k.width / 2;
                if (!inside(pz, g.planes) || !inside(pr, g.rows) || !inside(pc, g.cols)) continue;
                const T* pixel = x + ((pz * g.rows + pr) * g.cols + pc) * channels;
                const T* weight = w + (((o * k.depth + kz) * k.height + kr) * k.width + kc) * channels;
                for (index_t c = 0; c < channels; ++c)
                  sum += static_cast<double>(pixel[c]) * static_cast<double>(weight[c]);
              }
          y.push_back(sum);
        }
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(a_convolution_is_its_definition, Exec, policies) {
  using T = typename Exec::scalar;
  Exec exec;
  unsigned seed = 0;
  for (const convolution_case& c : all_cases())
    for (const index_t channels : {1, 3, 16})
      for (const index_t outputs : {1, 5, 32}) {
        trial<Exec> t(exec, ++seed);
        convolution_taps tables;
        tables.build(c.grids, c.kernel, c.stride);
        index_t inputs = 0;
        for (const patch_grid& g : c.grids) inputs += g.patches();
        const auto x = t.input(inputs, channels), w = t.input(outputs, c.kernel.size() * channels);
        const auto b = t.input(outputs);
        std::vector<double> expected;
        for (index_t i = 0, first = 0; i < std::ssize(c.grids); ++i) {
          const patch_grid g = c.grids[static_cast<std::size_t>(i)];
          convolve(g, c.kernel, c.stride, channels, outputs, x.row(first), w.data, b.data, expected);
          first += g.patches();
        }
        const auto taps = t.table(tables.taps, tables.taps_each);
        const auto y = t.poisoned(taps.rows(), outputs);
        exec.convolution(y, x, w, b, taps);
        BOOST_REQUIRE(y.size() == std::ssize(expected));
        const double error =
            normalised_error(view<T, 1>(y.flat()), view<const double, 1>(expected.data(), y.size()), 1e-30);
        BOOST_TEST(error < (sizeof(T) == 4 ? 2e-6 : 1e-14),
                   c.name << ", kernel " << c.kernel.width << ", stride " << c.stride.width << ": error " << error);
      }
}

// A kernel that is 1 at its centre and 0 beside it copies the channels.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_unit_kernel_copies, Exec, policies) {
  Exec exec;
  trial<Exec> t(exec, 1);
  constexpr index_t channels = 4, pixels = 5 * 7;
  convolution_taps tables;
  tables.build(std::vector<patch_grid>{{5, 7}}, {3, 3});
  const auto w = t.values(channels, 9 * channels, 0);
  for (index_t c = 0; c < channels; ++c) w(c, 4 * channels + c) = 1;
  const auto x = t.input(pixels, channels);
  const auto y = t.poisoned(pixels, channels);
  exec.convolution(y, x, w, {}, t.table(tables.taps, 9));
  for (index_t i = 0; i < x.size(); ++i) BOOST_TEST(y.data[i] == x.data[i]);
  // The same on the way back.
  const auto dx = t.poisoned(pixels, channels);
  exec.convolution_backward({dx, false}, {}, {}, x, x, w, t.table(tables.taps, 9), t.table(tables.reverse, 9));
  for (index_t i = 0; i < x.size(); ++i) BOOST_TEST(dx.data[i] == x.data[i]);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(no_pixels_change_nothing, Exec, policies) {
  Exec exec;
  trial<Exec> t(exec, 2);
  const auto none = t.values(0, 4), out = t.values(0, 3), w = t.values(3, 36), dw = t.values(3, 36);
  const auto db = t.values(1, 3);
  const std::vector<typename Exec::scalar> before(dw.data, dw.data + dw.size());
  const view<const token_t, 2> no_taps(nullptr, 0, 9);
  exec.convolution(out, none, w, {}, no_taps);
  exec.convolution_backward({none, false}, dw, db.flat(), out, none, w, no_taps, no_taps);
  for (std::size_t i = 0; i < before.size(); ++i) BOOST_TEST(dw.data[i] == before[i]);
}
