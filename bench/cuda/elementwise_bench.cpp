// SPDX-License-Identifier: Apache-2.0
// Kernels that memory bounds: bytes that must move, each input read once and each output written once, over the time.
#include "measure.hpp"

using namespace transfusion;

namespace {

constexpr index_t width = 1536, hidden = 4096, head_width = 64;

/// Arrays [sets, rows, cols], of which each call takes the next set.
template <class T>
class rotated {
 public:
  rotated(bench::exec_type& exec, index_t sets, index_t rows, index_t cols, std::uint32_t seed, double scale = 1)
      : all_(bench::normal<T>(exec, sets * rows * cols, seed, scale)), sets_(sets), rows_(rows), cols_(cols) {}
  view<T, 2> operator()(index_t i) const { return {all_.all().data + i % sets_ * rows_ * cols_, rows_, cols_}; }

 private:
  buffer<bench::exec_type, T> all_;
  index_t sets_, rows_, cols_;
};

template <class F>
void report(bench::exec_type& exec, const bench::settings& s, const char* name, index_t rows, double bytes,
            const F& f) {
  const auto t = bench::measure(exec, s, f);
  const std::string where = rows ? ".N" + std::to_string(rows) : "";
  bench::result(std::string("elementwise.") + name + where, bytes / t.median * 1e-9, "GB/s", t);
}

void gates(const bench::settings& s, index_t full_rows) {
  bench::exec_type exec;
  const index_t n = s.extent(full_rows, 40), f = s.extent(hidden, 96);
  const double one = 2.0 * static_cast<double>(n * f);
  const index_t sets = s.small ? 2 : bench::sets_for(3 * one);
  const rotated<bf16> gate(exec, sets, n, f, 1), up(exec, sets, n, f, 2), dy(exec, sets, n, f, 3),
      dgate(exec, sets, n, f, 4), dup(exec, sets, n, f, 5);
  report(exec, s, "swiglu", full_rows, 3 * one, [&](index_t i) { exec.swiglu(dup(i), gate(i), up(i)); });
  report(exec, s, "swiglu_backward", full_rows, 5 * one, [&](index_t i) {
    exec.swiglu_backward({dgate(i), false}, {dup(i), false}, dy(i), gate(i), up(i));
  });
}

void rows_of_the_stream(const bench::settings& s, index_t full_rows) {
  bench::exec_type exec;
  const index_t n = s.extent(full_rows, 40), d = s.extent(width, 128);
  const double one = 2.0 * static_cast<double>(n * d);
  const index_t sets = s.small ? 2 : bench::sets_for(2 * one);
  const rotated<bf16> a(exec, sets, n, d, 1), b(exec, sets, n, d, 2), sum(exec, sets, n, d, 3), y(exec, sets, n, d, 4);
  const auto weight = bench::normal<float>(exec, d, 5);
  const auto dw = bench::normal<float>(exec, d, 6);
  const buffer<bench::exec_type, float> inverse(exec, n);
  report(exec, s, "add", full_rows, 3 * one, [&](index_t i) { exec.add(y(i), a(i), b(i)); });
  report(exec, s, "rms_norm", full_rows, 2 * one,
         [&](index_t i) { exec.rms_norm(y(i), inverse.all(), a(i), weight.all(), 1e-5); });
  report(exec, s, "add_rms_norm", full_rows, 4 * one,
         [&](index_t i) { exec.add_rms_norm(sum(i), y(i), inverse.all(), a(i), b(i), weight.all(), 1e-5); });
  // Into a gradient that has gathered already, as in the residual stream: dx is read and written. The sums are those of
  // the last call above, of other rows than most: the time does not depend on them.
  report(exec, s, "rms_norm_backward", full_rows, 4 * one, [&](index_t i) {
    exec.rms_norm_backward({sum(i), i >= sets}, dw.all(), a(i), b(i), weight.all(), inverse.all());
  });

  const index_t c = s.extent(head_width, 32);
  std::vector<token_t> positions;
  for (index_t i = 0; i < n; ++i) positions.push_back(static_cast<token_t>(i % 4096));
  const buffer<bench::exec_type, token_t> places(exec, n);
  exec.upload(places.all().data, positions.data(), positions.size() * sizeof(token_t));
  const buffer<bench::exec_type, float> rotation(exec, n * c);
  exec.rope_table(bench::matrix(rotation, c), {places.all().data, n, 1}, 1e4);
  report(exec, s, "rope", full_rows, 2 * one + 4.0 * static_cast<double>(n * c),
         [&](index_t i) { exec.rope(y(i), bench::matrix(rotation, c), 1.0); });
}

/// What other blocks and codecs call, on the same rows.
void rows_of_other_blocks(const bench::settings& s, index_t full_rows) {
  bench::exec_type exec;
  const index_t n = s.extent(full_rows, 40), d = s.extent(width, 128);
  const double one = 2.0 * static_cast<double>(n * d);
  const index_t sets = s.small ? 2 : bench::sets_for(2 * one);
  const rotated<bf16> a(exec, sets, n, d, 1), b(exec, sets, n, d, 2), y(exec, sets, n, d, 3),
      wide(exec, sets, n, 2 * d, 4);
  const auto w = bench::normal<float>(exec, d, 5), shift = bench::normal<float>(exec, d, 6);
  const buffer<bench::exec_type, float> stats(exec, 2 * n);
  const auto moments = bench::matrix(stats, 2);
  report(exec, s, "layer_norm", full_rows, 2 * one,
         [&](index_t i) { exec.layer_norm(y(i), moments, a(i), w.all(), shift.all(), 1e-5); });
  report(exec, s, "layer_norm_backward", full_rows, 4 * one, [&](index_t i) {
    exec.layer_norm_backward({y(i), i >= sets}, w.all(), shift.all(), a(i), b(i), w.all(), moments);
  });
  report(exec, s, "gelu", full_rows, 2 * one, [&](index_t i) { exec.gelu(y(i), a(i)); });
  report(exec, s, "multiply", full_rows, 3 * one, [&](index_t i) { exec.multiply(y(i), a(i), b(i)); });
  report(exec, s, "dropout", full_rows, 2 * one, [&](index_t i) {
    exec.dropout({y(i), false}, a(i), {1, 0, stream::dropout}, 0.1, 0);
  });
  report(exec, s, "concatenate", full_rows, 4 * one, [&](index_t i) { exec.concatenate(wide(i), a(i), b(i)); });
}

/// The norm of a U-Net's widest grid: images of 32 x 32 pixels of 320 channels in 32 groups.
void pixels(const bench::settings& s) {
  bench::exec_type exec;
  const index_t images = s.extent(64, 2), each = s.extent(1024, 12), channels = 320, rows = images * each;
  const double one = 2.0 * static_cast<double>(rows * channels);
  const index_t sets = s.small ? 2 : bench::sets_for(2 * one);
  const rotated<bf16> x(exec, sets, rows, channels, 1), dy(exec, sets, rows, channels, 2),
      y(exec, sets, rows, channels, 3);
  const auto w = bench::normal<float>(exec, channels, 4), b = bench::normal<float>(exec, channels, 5);
  const buffer<bench::exec_type, float> stats(exec, 2 * 32 * images);
  std::vector<key_interval> ranges;
  for (index_t i = 0; i < images; ++i) ranges.push_back(key_interval::of(i * each, (i + 1) * each));
  const buffer<bench::exec_type, key_interval> device(exec, images);
  exec.upload(device.all().data, ranges.data(), ranges.size() * sizeof(key_interval));
  const auto moments = bench::matrix(stats, 2);
  report(exec, s, "group_norm", 0, 2 * one,
         [&](index_t i) { exec.group_norm(y(i), moments, x(i), w.all(), b.all(), device.all(), 32, 1e-5); });
  report(exec, s, "group_norm_backward", 0, 3 * one, [&](index_t i) {
    exec.group_norm_backward({y(i), false}, w.all(), b.all(), dy(i), x(i), w.all(), moments, device.all(), 32);
  });
}

/// 30 bytes a parameter: weight, both moments (read and written), gradient, the copy in bf16.
void optimiser(const bench::settings& s) {
  bench::exec_type exec;
  const index_t count = s.extent(index_t{1} << 26, 1000);
  const auto w = bench::normal<float>(exec, count, 1), m = bench::normal<float>(exec, count, 2, 1e-3),
             g = bench::normal<float>(exec, count, 3, 1e-3);
  const buffer<bench::exec_type, float> v(exec, count), norm(exec, 1);
  const buffer<bench::exec_type, bf16> working(exec, count);
  exec.fill(v.all(), 1e-6);
  exec.sum_of_squares(norm.all(), g.all());
  adamw_step step{.rate = 1e-6, .correction1 = 0.1, .correction2 = 0.05};
  step.max_norm = 1;
  report(exec, s, "adamw", 0, 30.0 * static_cast<double>(count),
         [&](index_t) { exec.adamw(w.all(), m.all(), v.all(), {}, working.all(), g.all(), norm.all(), step); });
  report(exec, s, "sum_of_squares", 0, 4.0 * static_cast<double>(count),
         [&](index_t) { exec.sum_of_squares(norm.all(), g.all()); });
}

/// The noising of 2048 latents of 8 x 32 x 32.
void images(const bench::settings& s) {
  bench::exec_type exec;
  const index_t count = s.extent(2048, 3);
  const image_shape shape{8, 32, 32};
  std::vector<image_place> places;
  for (index_t i = 0; i < count; ++i) places.push_back({i * shape.size(), i * 256, shape});
  const buffer<bench::exec_type, image_place> device(exec, count);
  exec.upload(device.all().data, places.data(), places.size() * sizeof(image_place));
  const auto a = bench::normal<float>(exec, count * shape.size(), 1), b = bench::normal<float>(exec, a.size(), 2),
             out = bench::normal<float>(exec, a.size(), 3), coefficients = bench::normal<float>(exec, 2 * count, 4);
  report(exec, s, "mix", 0, 12.0 * static_cast<double>(a.size()),
         [&](index_t) { exec.mix(out.all(), a.all(), b.all(), bench::matrix(coefficients, 2), device.all()); });
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, [](const bench::settings& s) {
    for (const index_t rows : {32768, 4096}) {
      gates(s, rows);
      rows_of_the_stream(s, rows);
      rows_of_other_blocks(s, rows);
    }
    optimiser(s);
    images(s);
    pixels(s);
  });
}
