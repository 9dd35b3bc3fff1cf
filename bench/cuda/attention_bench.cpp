// SPDX-License-Identifier: Apache-2.0
// Attention by mask, rows and head width; and what the mask costs before it.
#include "measure.hpp"
#include "transfusion/mask/bidirectional.hpp"
#include "transfusion/mask/causal.hpp"
#include "transfusion/mask/intra_image.hpp"
#include "transfusion/metric/flops.hpp"

using namespace transfusion;

namespace {

constexpr index_t all_rows = 16384, all_width = 2048;

/// `count` documents of `rows` rows; in each, 256 patches stand at 200 + 512 i (at no multiple of a tile), as often as
/// they fit.
span_table documents(index_t count, index_t rows) {
  span_table table;
  index_t images = 0;
  for (index_t d = 0; d < count; ++d) {
    table.begin_document();
    for (index_t at = 0; at < rows;) {
      const bool image = at % 512 == 200 && at + 256 <= rows;
      if (image)
        table.append_span(16, 16, images++, false);
      else
        table.append_text();
      at += image ? 256 : 1;
    }
  }
  return table;
}

struct operands {
  index_t heads, width;
  buffer<bench::exec_type, bf16> q, k, v, d_o, o, dq, dk, dv;
  buffer<bench::exec_type, float> lse;

  operands(bench::exec_type& exec, index_t rows, index_t c, index_t total)
      : heads(total / c),
        width(total),
        q(bench::normal<bf16>(exec, rows * total, 1)),
        k(bench::normal<bf16>(exec, rows * total, 2)),
        v(bench::normal<bf16>(exec, rows * total, 3)),
        d_o(bench::normal<bf16>(exec, rows * total, 4)),
        o(exec, q.size()),
        dq(exec, q.size()),
        dk(exec, q.size()),
        dv(exec, q.size()),
        lse(exec, rows * heads) {}
  view<bf16, 2> of(const buffer<bench::exec_type, bf16>& x) const { return bench::matrix(x, width); }
  attention_shape shape() const {
    return {heads, heads, width / heads, 1 / std::sqrt(static_cast<double>(width / heads))};
  }
};

/// Operations counted on visible pairs only: two products of C forward, five backward.
template <class Mask>
void attend(bench::exec_type& exec, const bench::settings& s, const char* name, const operands& x,
            const span_table& table, index_t full_rows, index_t c) {
  std::vector<key_interval> host;
  mask::lower(Mask(), table, 0, table.rows(), 0, host);
  const buffer<bench::exec_type, key_interval> device(exec, std::ssize(host));
  exec.upload(device.all().data, host.data(), host.size() * sizeof(key_interval));
  const key_intervals keys(device.all().data, table.rows(), 1);
  const auto lse = bench::matrix(x.lse, x.heads);
  const auto forward = bench::measure(
      exec, s, [&](index_t) { exec.attention(x.of(x.o), lse, x.of(x.q), x.of(x.k), x.of(x.v), keys, x.shape()); });
  const auto backward = bench::measure(exec, s, [&](index_t) {
    exec.attention_backward({x.of(x.dq)}, {x.of(x.dk)}, {x.of(x.dv)}, x.of(x.d_o), x.of(x.o), lse, x.of(x.q), x.of(x.k),
                            x.of(x.v), keys, x.shape());
  });
  const double flops = 4 * visible_pairs(Mask(), table) * static_cast<double>(x.width) * 1e-12;
  const std::string where = std::string(".") + name + ".C" + std::to_string(c) + ".N" + std::to_string(full_rows);
  bench::result("attention.forward" + where, flops / forward.median, "TFLOP/s", forward);
  bench::result("attention.backward" + where, 2.5 * flops / backward.median, "TFLOP/s", backward);
  bench::result("attention.forward_seconds" + where, forward.median, "s");
  bench::result("attention.backward_seconds" + where, backward.median, "s");
}

/// From the table of spans to intervals on the device, once a batch: nothing else is made of a mask.
void prepare(bench::exec_type& exec, const bench::settings& s) {
  const span_table table = documents(1, s.extent(4096, 600));
  const buffer<bench::exec_type, key_interval> device(exec, table.rows());
  std::vector<key_interval> host;
  std::vector<double> seconds;
  for (int repeat = 0; repeat < 40; ++repeat) {
    exec.synchronize();
    const double start = bench::now();
    host.clear();
    mask::lower(mask::intra_image(), table, 0, table.rows(), 0, host);
    exec.upload(device.all().data, host.data(), host.size() * sizeof(key_interval));
    exec.synchronize();
    if (repeat >= 10) seconds.push_back(bench::now() - start);
  }
  const auto t = bench::summary(seconds);
  bench::result("mask_preparation", t.median, "s", t);
}

void all(const bench::settings& s) {
  bench::exec_type exec;
  prepare(exec, s);
  for (const index_t c : {64, 128})
    for (const index_t rows : {4096, 2048, 1024, 512}) {
      const index_t n = s.extent(rows, 20), count = s.extent(all_rows / rows, 2);
      const span_table table = documents(count, n);
      const operands x(exec, table.rows(), c, s.extent(all_width, c));
      attend<mask::causal>(exec, s, "causal", x, table, rows, c);
      attend<mask::intra_image>(exec, s, "paper", x, table, rows, c);
      attend<mask::bidirectional>(exec, s, "bidirectional", x, table, rows, c);
    }
}

}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv, all); }
