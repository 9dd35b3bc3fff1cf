// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autograd_convolution_and_norm_gradients
#include <boost/test/unit_test.hpp>
#include <vector>

#include "autograd/gradient_cases.hpp"
#include "transfusion/autograd/op/convolution.hpp"
#include "transfusion/autograd/op/group_norm.hpp"
#include "transfusion/autograd/op/layer_norm.hpp"
#include "transfusion/autograd/op/max_pool.hpp"
#include "transfusion/layer/convolution_taps.hpp"

using namespace gradient_cases;

namespace {

struct convolution_case {
  std::vector<patch_grid> grids;
  patch_shape kernel, stride;
};

/// Pixels, signals, images and volumes, alone and several together.
const convolution_case convolutions[] = {{{{1, 1}}, {1, 1}, {1, 1}},         {{{1, 1}}, {3, 3}, {2, 2}},
                                         {{{1, 5}, {1, 2}}, {1, 3}, {1, 2}}, {{{3, 4}}, {3, 3}, {1, 1}},
                                         {{{3, 4}, {2, 5}}, {3, 3}, {2, 2}}, {{{2, 3}, {1, 1}}, {1, 1}, {2, 2}},
                                         {{{2, 3, 2}}, {3, 3, 3}, {1, 1}},   {{{3, 2, 3}}, {3, 1, 3}, {2, 1, 2}}};

convolution_taps tables_of(const convolution_case& c) {
  convolution_taps tables;
  tables.build(c.grids, c.kernel, c.stride);
  return tables;
}
index_t pixels_of(const convolution_case& c) {
  index_t pixels = 0;
  for (const patch_grid& g : c.grids) pixels += g.patches();
  return pixels;
}
template <class Tape>
view<const token_t, 2> uploaded(Tape& t, const std::vector<token_t>& table, index_t cols) {
  return {t.upload(table).data, std::ssize(table) / cols, cols};
}

/// Two parameters, each in training or frozen or not there, and the gradients that come of an operation of them and x.
template <class Exec>
struct with_frozen {
  Exec exec;
  parameter_set<Exec> set;
  std::vector<std::vector<double>> found;

  /// build(tape, x, w, b) -> y. Keeps dx, dw and db, those of what is frozen empty.
  template <class Build>
  with_frozen(std::vector<index_t> w_shape, std::vector<index_t> b_shape, index_t rows, index_t cols, bool w_frozen,
              bool b_frozen, Build build) {
    const auto w = set.declare("w", std::move(w_shape), drawn), b = set.declare("b", std::move(b_shape), drawn);
    if (w_frozen) set.freeze("w");
    if (b_frozen) set.freeze("b");
    set.allocate(exec, 3);
    set.allocate_gradients();
    tape<Exec> t(exec);
    auto x = t.variable(rows, cols);
    exec.normal(x.value().flat(), key, 1.0);
    buffer<Exec, double> dx(exec, rows * cols);
    t.on_backward([=, to = dx.all()](auto& back) { back.exec().copy(to, back.gradient(x).flat()); });
    weighted_output(t, build(t, x, w, b), key);
    t.backward();
    found = {on_host(exec, dx.all())};
    for (const auto& p : {w, b}) found.push_back(p.frozen() ? std::vector<double>{} : on_host(exec, p.flat_gradient()));
  }
};

/// What is frozen gets no gradient, and all other gradients keep their bits.
template <class Exec, class Build>
void check_frozen(std::vector<index_t> w_shape, std::vector<index_t> b_shape, index_t rows, index_t cols, Build build) {
  const with_frozen<Exec> all(w_shape, b_shape, rows, cols, false, false, build);
  for (const int frozen : {1, 2, 3}) {
    const with_frozen<Exec> some(w_shape, b_shape, rows, cols, frozen & 1, frozen & 2, build);
    BOOST_TEST(some.found[0] == all.found[0], boost::test_tools::per_element());
    for (const int p : {1, 2}) {
      const auto place = static_cast<std::size_t>(p);
      if (frozen & p)
        BOOST_TEST(some.found[place].empty());
      else
        BOOST_TEST(some.found[place] == all.found[place], boost::test_tools::per_element());
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(convolution_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const convolution_case& c : convolutions)
    for (const auto& [channels, outputs] : {std::pair<index_t, index_t>{1, 1}, {3, 2}, {2, 5}})
      for (const bool with_bias : {false, true}) {
        const convolution_taps tables = tables_of(c);
        const index_t each = tables.taps_each;
        gradient_check check(exec, 31);
        const auto x = check.input("x", pixels_of(c), channels);
        const auto w = check.parameters().declare("w", {outputs, each, channels}, drawn);
        const auto b = with_bias ? check.parameters().declare("b", {outputs}, drawn) : parameter<poisoned<Exec>>{};
        expect(check.run([&](auto& t, auto& v) {
          const auto taps = uploaded(t, tables.taps, each), reverse = uploaded(t, tables.reverse, each);
          return weighted_output(t, convolution(t, v[x], w, b, taps, reverse), key);
        }),
               shape_text(pixels_of(c), each, channels, outputs, with_bias));
      }
}

// Wide values, so that no two lie within a step of each other.
BOOST_AUTO_TEST_CASE_TEMPLATE(max_pool_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const convolution_case& c : convolutions)
    for (const index_t channels : {1, 3}) {
      const convolution_taps tables = tables_of(c);
      const index_t each = tables.taps_each;
      gradient_check check(exec, 34);
      const auto x = check.input("x", pixels_of(c), channels, 50);
      expect(check.run([&](auto& t, auto& v) {
        const convolution_tables device{uploaded(t, tables.taps, each), uploaded(t, tables.reverse, each)};
        return weighted_output(t, max_pool(t, v[x], device), key);
      }),
             shape_text(pixels_of(c), each, channels));
    }
}

// A tape that does not record needs no table back; the shapes of what there is are checked, and named.
BOOST_AUTO_TEST_CASE_TEMPLATE(convolution_names_what_does_not_fit, Exec, test_support::double_policies) {
  Exec exec;
  const convolution_taps tables = tables_of(convolutions[3]);
  parameter_set<Exec> set;
  const auto w = set.declare("down.w", {2, 9, 3}, drawn), short_w = set.declare("short.w", {2, 9, 2}, drawn);
  const auto b = set.declare("down.b", {3}, drawn);
  set.allocate(exec, 1);
  const auto refusal = [](auto f) {
    try {
      f();
    } catch (const shape_error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const auto mentions = [](const std::string& text, const char* word) { return text.find(word) != std::string::npos; };
  tape<Exec> off(exec, recording::off), on(exec);
  const auto run = [&](tape<Exec>& t, const auto& weights, const auto& bias, bool way_back) {
    auto x = t.variable(12, 3);
    exec.fill(x.value().flat(), 1);
    const auto taps = uploaded(t, tables.taps, 9);
    return convolution(t, x, weights, bias, taps, way_back ? uploaded(t, tables.reverse, 9) : view<const token_t, 2>{});
  };
  const parameter<Exec> none;
  BOOST_TEST(run(off, w, none, false).rows() == 12);
  BOOST_TEST(mentions(refusal([&] { run(on, w, none, false); }), "reverse taps"));
  BOOST_TEST(mentions(refusal([&] { run(on, short_w, none, true); }), "short.w"));
  BOOST_TEST(mentions(refusal([&] { run(on, w, b, true); }), "down.b"));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(group_norm_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  struct {
    std::vector<key_interval> ranges;
    index_t channels, groups;
  } const cases[] = {{{{0, 1}}, 4, 2},  {{{0, 5}}, 3, 3},          {{{0, 4}}, 6, 1},
                     {{{0, 3}}, 10, 2}, {{{0, 1}, {1, 7}}, 34, 2}, {{{0, 2}, {2, 5}, {5, 9}}, 6, 3}};
  for (const auto& c : cases)
    for (const double epsilon : {1e-5, 0.3}) {
      // Where a group is one value, its gradient is zero, and a small deviation makes differences large.
      const index_t rows = c.ranges.back().end;
      if (c.ranges[0].end == 1 && c.channels == c.groups) continue;
      gradient_check check(exec, 32);
      const auto x = check.input("x", rows, c.channels);
      const auto w = check.parameters().declare("w", {c.channels}, drawn);
      const auto b = check.parameters().declare("b", {c.channels}, drawn);
      expect(check.run([&](auto& t, auto& v) {
        return weighted_output(t, group_norm(t, v[x], w, b, t.upload(c.ranges), c.groups, epsilon), key);
      }),
             shape_text(rows, c.channels, c.groups, epsilon));
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(group_norm_refuses_groups_that_do_not_divide_the_channels, Exec,
                              test_support::double_policies) {
  Exec exec;
  parameter_set<Exec> set;
  const auto w = set.declare("norm.w", {6}, drawn), b = set.declare("norm.b", {6}, drawn);
  set.allocate(exec, 1);
  tape<Exec> t(exec);
  auto x = t.variable(2, 6);
  exec.fill(x.value().flat(), 1);
  const auto ranges = t.upload(std::vector<key_interval>{{0, 2}});
  for (const index_t groups : {0, 4, -1})
    BOOST_CHECK_EXCEPTION(group_norm(t, x, w, b, ranges, groups, 1e-5), config_error, [](const config_error& e) {
      return std::string(e.what()).find("norm.w") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(layer_norm_gradients, Exec, test_support::double_policies) {
  poisoned<Exec> exec;
  for (const auto [rows, width, unused] : shapes)
    for (const double epsilon : {1e-2, 0.3})
      for (const int held : {0, 1, 2, 3}) {
        gradient_check check(exec, 33);
        const auto x = check.input("x", rows, width);
        const parameter<poisoned<Exec>> none;
        const auto w = held & 1 ? check.parameters().declare("w", {width}, drawn) : none;
        const auto b = held & 2 ? check.parameters().declare("b", {width}, drawn) : none;
        expect(check.run([&](auto& t, auto& v) { return weighted_output(t, layer_norm(t, v[x], w, b, epsilon), key); }),
               shape_text(rows, width, epsilon, held));
      }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(frozen_parameters_get_no_gradient_and_change_no_other, Exec,
                              test_support::double_policies) {
  using policy = poisoned<Exec>;
  const convolution_taps tables = tables_of(convolutions[4]);
  check_frozen<policy>({3, 9, 2}, {3}, 22, 2, [&](auto& t, auto x, auto w, auto b) {
    return convolution(t, x, w, b, uploaded(t, tables.taps, 9), uploaded(t, tables.reverse, 9));
  });
  check_frozen<policy>({6}, {6}, 9, 6, [](auto& t, auto x, auto w, auto b) {
    return group_norm(t, x, w, b, t.upload(std::vector<key_interval>{{0, 4}, {4, 9}}), 2, 1e-3);
  });
  check_frozen<policy>({7}, {7}, 5, 7, [](auto& t, auto x, auto w, auto b) { return layer_norm(t, x, w, b, 1e-3); });
}
