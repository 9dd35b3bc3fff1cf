// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_rows
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <numeric>

#include "cuda/shapes.hpp"
#include "transfusion/cuda/rows.cuh"

using namespace cuda_tests;

namespace {

struct shape {
  index_t rows, cols, some, offset;  ///< some: how many rows are named
};
constexpr shape shapes[] = {{1, 1, 0, 0},   {1, 1, 1, 0},     {7, 33, 3, 0},    {20, 8, 20, 0},    {20, 8, 11, 1},
                            {65, 64, 9, 0}, {40, 200, 39, 0}, {33, 2056, 5, 0}, {300, 16, 130, 0}, {5, 24, 0, 1}};

std::vector<token_t> different(draws& d, index_t n, index_t limit) {
  std::vector<token_t> all(static_cast<std::size_t>(limit));
  std::iota(all.begin(), all.end(), 0);
  for (index_t i = 0; i < n; ++i)
    std::swap(all[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(i + d.below(limit - i))]);
  all.resize(static_cast<std::size_t>(n));
  return all;
}
std::vector<token_t> repeating(draws& d, index_t n, index_t limit) {
  std::vector<token_t> rows;
  for (index_t i = 0; i < n; ++i) rows.push_back(static_cast<token_t>(d.below(limit)));
  return rows;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_are_copied_exactly, Scalar, scalars) {
  for_shapes<Scalar>(shapes, [&](auto& exec, auto& reference, shape s, draws& d) {
    using array = device_array<cuda_exec<Scalar>, Scalar>;
    const auto normal = [&] { return d.normal(); };
    array x(exec, s.rows, s.cols, s.offset), named(exec, s.some, s.cols);
    array gathered(exec, s.some, s.cols, s.offset), scattered(exec, s.rows, s.cols), written(exec, s.rows, s.cols);
    x.set(normal), named.set(normal), gathered.poison(), scattered.poison(), written.set(normal);
    const device_tokens<cuda_exec<Scalar>> rows(exec, different(d, s.some, s.rows)),
        any(exec, repeating(d, s.some, s.rows));
    BOOST_TEST(repeats(
        [&] {
          exec.gather_rows(gathered.device(), x.device(), any.device());
          exec.scatter_rows(scattered.device(), x.device(), named.device(), rows.device());
          exec.write_rows(written.device(), named.device(), rows.device());
        },
        gathered, scattered, written));
    reference.gather_rows(gathered.host(), x.host(), any.host());
    reference.scatter_rows(scattered.host(), x.host(), named.host(), rows.host());
    reference.write_rows(written.host(), named.host(), rows.host());
    for (array* found : {&gathered, &scattered, &written}) BOOST_TEST(found->error([](index_t) { return 1.0; }) == 0);
  });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(scatter_rows_backward_matches_the_reference, Scalar, scalars) {
  for_shapes<Scalar>(shapes, [&](auto& exec, auto& reference, shape s, draws& d) {
    using array = device_array<cuda_exec<Scalar>, Scalar>;
    const auto normal = [&] { return d.normal(); };
    const device_tokens<cuda_exec<Scalar>> rows(exec, different(d, s.some, s.rows));
    for (int wanted = 0; wanted < 16; ++wanted) {
      const bool x_wanted = wanted & 1, s_wanted = wanted & 2, add_x = wanted & 4, add_s = wanted & 8;
      array dy(exec, s.rows, s.cols, s.offset), dx(exec, s.rows, s.cols), ds(exec, s.some, s.cols);
      dy.set(normal);
      add_x ? dx.set(normal) : dx.poison();
      add_s ? ds.set(normal) : ds.poison();
      const auto device_x = x_wanted ? dx.device_sink(add_x) : gradient_sink<Scalar>{};
      const auto device_s = s_wanted ? ds.device_sink(add_s) : gradient_sink<Scalar>{};
      BOOST_TEST(repeats([&] { exec.scatter_rows_backward(device_x, device_s, dy.device(), rows.device()); }, dx, ds));
      reference.scatter_rows_backward(x_wanted ? dx.host_sink(add_x) : gradient_sink<double>{},
                                      s_wanted ? ds.host_sink(add_s) : gradient_sink<double>{}, dy.host(), rows.host());
      BOOST_TEST(share_of_limit(dx, limit<Scalar>("scatter_rows_backward")) <= 1);
      BOOST_TEST(share_of_limit(ds, limit<Scalar>("scatter_rows_backward")) <= 1);
    }
  });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gather_rows_backward_matches_the_reference, Scalar, scalars) {
  worst_share worst("gather_rows_backward");
  for_shapes<Scalar>(shapes, [&](auto& exec, auto& reference, shape s, draws& d) {
    using array = device_array<cuda_exec<Scalar>, Scalar>;
    const auto normal = [&] { return d.normal(); };
    for (int kind = 0; kind < 8; ++kind) {
      const bool add = kind & 1;
      std::vector<token_t> numbers =
          kind & 4 ? different(d, s.some, s.rows) : repeating(d, s.some, kind & 2 ? 1 : s.rows);
      if (kind & 2) std::sort(numbers.begin(), numbers.end());
      const device_tokens<cuda_exec<Scalar>> rows(exec, numbers);
      array dy(exec, s.some, s.cols, s.offset), dx(exec, s.rows, s.cols);
      dy.set(normal);
      add ? dx.set(normal) : dx.poison();
      BOOST_TEST(repeats([&] { exec.gather_rows_backward(dx.device_sink(add), dy.device(), rows.device()); }, dx));
      reference.gather_rows_backward(dx.host_sink(add), dy.host(), rows.host());
      worst.see(share_of_limit(dx, limit<Scalar>("gather_rows_backward")));
    }
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

// Terms of one row are added in rising order, whatever the order of the other rows: large ones first cancel.
BOOST_AUTO_TEST_CASE(gather_rows_backward_adds_in_rising_order) {
  cuda_exec<float> exec;
  device_array<cuda_exec<float>, float> dy(exec, 6, 1), dx(exec, 3, 1);
  const double terms[] = {0x1p30, 5, -0x1p30, 1, 0x1p-3, 7};
  int next = 0;
  dy.set([&] { return terms[next++]; }), dx.poison();
  const device_tokens<cuda_exec<float>> rows(exec, {2, 0, 2, 2, 2, 0});
  exec.gather_rows_backward(dx.device_sink(false), dy.device(), rows.device());
  BOOST_TEST(dx.found() == (std::vector<float>{12, 0, 1.125f}));
}

// Where x and s were one variable, its gradient is written by the first and added to by the second.
BOOST_AUTO_TEST_CASE(both_gradients_of_a_scatter_in_one_array) {
  cuda_exec<float> exec;
  constexpr index_t rows = 40, width = 24;
  draws random(5);
  device_array<cuda_exec<float>, float> dy(exec, rows, width), both(exec, rows, width);
  dy.set([&] { return random.normal(); });
  both.poison();
  std::vector<token_t> order;
  for (index_t i = 0; i < rows; ++i) order.push_back(static_cast<token_t>((i * 7 + 3) % rows));
  device_tokens<cuda_exec<float>> places(exec, order);
  exec.scatter_rows_backward(both.device_sink(false), both.device_sink(true), dy.device(), places.device());
  const auto found = both.found(), given = dy.found();
  for (index_t i = 0; i < rows; ++i)
    for (index_t d = 0; d < width; ++d)
      BOOST_TEST(found[static_cast<std::size_t>(i * width + d)] ==
                 given[static_cast<std::size_t>(order[static_cast<std::size_t>(i)] * width + d)]);
}

// The columns of two matrices beside each other, and back; both of one matrix too.
BOOST_AUTO_TEST_CASE_TEMPLATE(columns_are_joined_exactly_and_parted_again, Scalar, scalars) {
  for_shapes<Scalar>(shapes, [&](auto& exec, auto& reference, shape s, draws& d) {
    using array = device_array<cuda_exec<Scalar>, Scalar>;
    const auto normal = [&] { return d.normal(); };
    for (index_t of_b : {1, 8, 16, 33}) {
      array a(exec, s.rows, s.cols, s.offset), b(exec, s.rows, of_b, s.offset), y(exec, s.rows, s.cols + of_b);
      a.set(normal), b.set(normal), y.poison();
      BOOST_TEST(repeats([&] { exec.concatenate(y.device(), a.device(), b.device()); }, y));
      reference.concatenate(y.host(), a.host(), b.host());
      BOOST_TEST(y.error([](index_t) { return 1.0; }) == 0);
      for (int wanted = 0; wanted < 16; ++wanted) {
        const bool a_wanted = wanted & 1, b_wanted = wanted & 2, add_a = wanted & 4, add_b = wanted & 8;
        array da(exec, s.rows, s.cols, s.offset), db(exec, s.rows, of_b);
        add_a ? da.set(normal) : da.poison();
        add_b ? db.set(normal) : db.poison();
        BOOST_TEST(repeats(
            [&] {
              exec.concatenate_backward(a_wanted ? da.device_sink(add_a) : gradient_sink<Scalar>{},
                                        b_wanted ? db.device_sink(add_b) : gradient_sink<Scalar>{}, y.device());
            },
            da, db));
        reference.concatenate_backward(a_wanted ? da.host_sink(add_a) : gradient_sink<double>{},
                                       b_wanted ? db.host_sink(add_b) : gradient_sink<double>{}, y.host());
        BOOST_TEST(share_of_limit(da, limit<Scalar>("concatenate_backward")) <= 1);
        BOOST_TEST(share_of_limit(db, limit<Scalar>("concatenate_backward")) <= 1);
      }
    }
    array both(exec, s.rows, 2 * s.cols), dx(exec, s.rows, s.cols);
    // Whole numbers, that bf16 holds after every step.
    both.set([&] { return static_cast<double>(d.below(99)); }), dx.poison();
    exec.concatenate_backward(dx.device_sink(false), dx.device_sink(true), both.device());
    reference.concatenate_backward(dx.host_sink(false), dx.host_sink(true), both.host());
    BOOST_TEST(dx.error([](index_t) { return 1.0; }) == 0);
  });
}
