// SPDX-License-Identifier: Apache-2.0
// 3 x 3 convolutions that keep their channels, forward and backward (dx, dw and db), at the grids of the paper's U-Net.
#include "measure.hpp"
#include "transfusion/layer/convolution_taps.hpp"

using namespace transfusion;

namespace {

void one_grid(const bench::settings& s, index_t side, index_t channels) {
  bench::exec_type exec;
  const index_t images = s.extent(16, 2), pixels = s.extent(side, 5), c = s.extent(channels, 24);
  const index_t rows = images * pixels * pixels, inner = 9 * c;
  convolution_taps tables;
  tables.build(std::vector<patch_grid>(static_cast<std::size_t>(images), {pixels, pixels}), {3, 3});
  const auto upload = [&](const std::vector<token_t>& table) {
    buffer<bench::exec_type, token_t> device(exec, std::ssize(table));
    exec.upload(device.all().data, table.data(), table.size() * sizeof(token_t));
    return device;
  };
  const auto taps = upload(tables.taps), reverse = upload(tables.reverse);
  const auto x = bench::normal<bf16>(exec, rows * c, 1), dy = bench::normal<bf16>(exec, rows * c, 2),
             w = bench::normal<bf16>(exec, c * inner, 3, 0.02), b = bench::normal<bf16>(exec, c, 4);
  const buffer<bench::exec_type, bf16> y(exec, rows * c);
  const auto dw = bench::normal<float>(exec, c * inner, 5), db = bench::normal<float>(exec, c, 6);
  const double flops = 2.0 * static_cast<double>(rows * c) * static_cast<double>(inner);
  const std::string where = "." + std::to_string(side) + "x" + std::to_string(channels);
  const auto forward = bench::measure(exec, s, [&](index_t) {
    exec.convolution(bench::matrix(y, c), bench::matrix(x, c), bench::matrix(w, inner), b.all(),
                     bench::matrix(taps, 9));
  });
  bench::result("convolution.forward" + where, flops / forward.median * 1e-12, "TFLOP/s", forward);
  const auto backward = bench::measure(exec, s, [&](index_t) {
    exec.convolution_backward({bench::matrix(y, c), false}, bench::matrix(dw, inner), db.all(), bench::matrix(dy, c),
                              bench::matrix(x, c), bench::matrix(w, inner), bench::matrix(taps, 9),
                              bench::matrix(reverse, 9));
  });
  bench::result("convolution.backward" + where, 2 * flops / backward.median * 1e-12, "TFLOP/s", backward);
}

void all(const bench::settings& s) {
  one_grid(s, 32, 320);
  one_grid(s, 16, 1280);
}

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv, all); }
