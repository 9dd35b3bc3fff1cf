// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_linear
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "cuda/device_array.hpp"
#include "cuda/tolerances.hpp"
#include "transfusion/cuda/linear.cuh"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/testing/compare.hpp"

using namespace cuda_tests;
using testing::same_bits;

namespace {

struct shape {
  index_t rows, in, out;
};
const std::initializer_list<shape> shapes = {{1, 1, 1},     {1, 7, 15},    {2, 1, 3},     {5, 33, 130}, {17, 64, 16},
                                             {64, 200, 65}, {255, 17, 31}, {300, 40, 24}, {16, 600, 8}};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(linear_and_logits_match_the_reference, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  double worst = 0, worst_logits = 0;
  unsigned seed = 0;
  for (shape s : shapes)
    for (index_t offset : {0, 1, 3}) {
      draws d(++seed);
      const auto normal = [&] { return d.normal(); };
      device_array<exec_t, Scalar> x(exec, s.rows, s.in, offset), w(exec, s.out, s.in, offset),
          b(exec, 1, s.out, offset);
      device_array<exec_t, Scalar> y(exec, s.rows, s.out, offset);
      device_array<exec_t, float> z(exec, s.rows, s.out, offset);
      x.set(normal), w.set(normal), b.set(normal), y.poison(), z.poison();
      const bool bias = d.coin();
      const auto call = [&] {
        exec.linear(y.device(), x.device(), w.device(), bias ? b.device().flat() : view<Scalar, 1>{});
        exec.logits(z.device(), x.device(), w.device());
      };
      call();
      reference.linear(y.host(), x.host(), w.host(), bias ? b.host().flat() : view<double, 1>{});
      reference.linear(z.host(), x.host(), w.host(), {});
      worst = std::max(worst, y.error(size_of_sum(s.in)));
      worst_logits = std::max(worst_logits, z.error(size_of_sum(s.in)));
      const auto first = y.found();
      const auto first_logits = z.found();
      y.reset(), z.reset();
      call();
      BOOST_TEST(same_bits(first, y.found()));
      BOOST_TEST(same_bits(first_logits, z.found()));
    }
  BOOST_TEST_MESSAGE("linear: error " << worst << ", logits: error " << worst_logits);
  BOOST_TEST(worst <= limit<Scalar>("linear"));
  BOOST_TEST(worst_logits <= limit<Scalar>("logits"));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(linear_backward_matches_the_reference, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  double worst_dx = 0, worst_dw = 0, worst_db = 0;
  unsigned seed = 100;
  for (shape s : shapes)
    for (int wanted = 0; wanted < 8; ++wanted) {
      draws d(++seed);
      const auto normal = [&] { return d.normal(); };
      const index_t offset = d.below(3);
      device_array<exec_t, Scalar> x(exec, s.rows, s.in), w(exec, s.out, s.in, offset), dy(exec, s.rows, s.out, offset);
      device_array<exec_t, Scalar> dx(exec, s.rows, s.in, offset);
      device_array<exec_t, float> dw(exec, s.out, s.in, offset), db(exec, 1, s.out, offset);
      const bool add = d.coin();
      x.set(normal), w.set(normal), dy.set(normal), dw.set(normal), db.set(normal);
      add ? dx.set(normal) : dx.poison();
      const auto call = [&] {
        exec.linear_backward(wanted & 1 ? dx.device_sink(add) : gradient_sink<Scalar>{},
                             wanted & 2 ? dw.device() : view<float, 2>{},
                             wanted & 4 ? db.device().flat() : view<float, 1>{}, dy.device(), x.device(), w.device());
      };
      call();
      reference.linear_backward(wanted & 1 ? dx.host_sink(add) : gradient_sink<double>{},
                                wanted & 2 ? dw.host() : view<double, 2>{},
                                wanted & 4 ? db.host().flat() : view<double, 1>{}, dy.host(), x.host(), w.host());
      worst_dx = std::max(worst_dx, dx.error(size_of_sum(s.out)));
      worst_dw = std::max(worst_dw, dw.error(size_of_sum(s.rows)));
      worst_db = std::max(worst_db, db.error(size_of_sum(s.rows)));
      const auto first_dx = dx.found();
      const auto first_dw = dw.found(), first_db = db.found();
      dx.reset(), dw.reset(), db.reset();
      call();
      BOOST_TEST(same_bits(first_dx, dx.found()));
      BOOST_TEST(same_bits(first_dw, dw.found()));
      BOOST_TEST(same_bits(first_db, db.found()));
    }
  BOOST_TEST_MESSAGE("dx: error " << worst_dx << ", dw: error " << worst_dw << ", db: error " << worst_db);
  BOOST_TEST(worst_dx <= limit<Scalar>("linear_backward_dx"));
  BOOST_TEST(worst_dw <= limit<Scalar>("linear_backward_dw"));
  BOOST_TEST(worst_db <= limit<Scalar>("linear_backward_db"));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(no_rows_change_nothing, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  device_array<exec_t, Scalar> nothing(exec, 0, 5), out(exec, 0, 3), w(exec, 3, 5);
  device_array<exec_t, float> dw(exec, 3, 5), db(exec, 1, 3), logits(exec, 0, 3);
  w.set([] { return 1.0; }), dw.set([] { return 2.0; }), db.set([] { return 3.0; });
  exec.linear(out.device(), nothing.device(), w.device(), {});
  exec.logits(logits.device(), nothing.device(), w.device());
  exec.linear_backward(nothing.device_sink(false), dw.device(), db.device().flat(), out.device(), nothing.device(),
                       w.device());
  const auto none = [](index_t) { return 0.0; };
  BOOST_TEST(dw.error(none) == 0);
  BOOST_TEST(db.error(none) == 0);
}

// The sums of many rows: more chunks than one, with a last one that is not full, and chunks of over 128 rows.
BOOST_AUTO_TEST_CASE(column_sums_of_many_rows_match_the_reference) {
  using exec_t = cuda_exec<bf16>;
  exec_t exec;
  for (index_t rows : {128, 129, 1000, 128 * 256 + 5}) {
    draws d(static_cast<unsigned>(rows));
    const auto normal = [&] { return d.normal(); };
    device_array<exec_t, bf16> dy(exec, rows, 3);
    device_array<exec_t, float> db(exec, 1, 3);
    dy.set(normal), db.set(normal);
    exec.linear_backward({}, {}, db.device().flat(), dy.device(), {}, {});
    for (index_t n = 0; n < rows; ++n)
      for (index_t o = 0; o < 3; ++o) db.host()(0, o) += dy.host()(n, o);
    BOOST_TEST(db.error(size_of_sum(rows)) <= limit<bf16>("linear_backward_db"));
  }
}

// What stands in where cuBLASLt has nothing: every transposition, with rows further apart than they are long.
BOOST_AUTO_TEST_CASE_TEMPLATE(the_plain_product_is_right, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  detail::cuda_context context;
  context.open({}, reinterpret_cast<const void*>(&cuda::fill_kernel<float>));
  unsigned seed = 200;
  for (shape s : {shape{1, 1, 1}, shape{17, 33, 15}, shape{40, 5, 64}, shape{3, 0, 5}})
    for (int kind = 0; kind < 16; ++kind) {
      draws d(++seed);
      const auto normal = [&] { return d.normal(); };
      const bool left_t = kind & 1, right_t = kind & 2, bias = kind & 4, add = kind & 8;
      device_array<exec_t, Scalar> left(exec, left_t ? s.in : s.rows, (left_t ? s.rows : s.in) + 3);
      device_array<exec_t, Scalar> right(exec, right_t ? s.out : s.in, (right_t ? s.in : s.out) + 2);
      device_array<exec_t, Scalar> b(exec, 1, s.out);
      device_array<exec_t, float> out(exec, s.rows, s.out + 1);
      left.set(normal), right.set(normal), b.set(normal), out.set(normal);
      exec.synchronize();
      const cuda::product<Scalar, float> p{s.rows,
                                           s.out,
                                           s.in,
                                           {left.device().data, left.device().cols(), left_t},
                                           {right.device().data, right.device().cols(), right_t},
                                           {out.device().data, s.out + 1},
                                           bias ? b.device().data : nullptr,
                                           add};
      cuda::tiled_product(context, p);
      BOOST_REQUIRE(cudaStreamSynchronize(context.stream) == cudaSuccess);
      for (index_t r = 0; r < s.rows; ++r)
        for (index_t o = 0; o < s.out; ++o) {
          double sum = (add ? out.host()(r, o) : 0) + (bias ? b.host()(0, o) : 0);
          for (index_t k = 0; k < s.in; ++k)
            sum +=
                (left_t ? left.host()(k, r) : left.host()(r, k)) * (right_t ? right.host()(o, k) : right.host()(k, o));
          out.host()(r, o) = sum;
        }
      BOOST_TEST(out.error(size_of_sum(s.in)) <= limit<Scalar>("logits"));
    }
}

// Products of float into bf16 are none of cuBLASLt's: multiply finds that out and takes the plain product.
BOOST_AUTO_TEST_CASE(products_that_cublaslt_refuses_are_computed) {
  using exec_t = cuda_exec<bf16>;
  exec_t exec;
  reference_exec<double> reference;
  detail::cuda_context context;
  context.open({}, reinterpret_cast<const void*>(&cuda::fill_kernel<float>));
  draws d(300);
  const auto normal = [&] { return d.normal(); };
  device_array<exec_t, float> x(exec, 19, 35), w(exec, 21, 35);
  device_array<exec_t, bf16> y(exec, 19, 21);
  x.set(normal), w.set(normal), y.poison();
  exec.synchronize();
  const cuda::product<float, bf16> p{
      19, 21, 35, {x.device().data, 35}, {w.device().data, 35, true}, {y.device().data, 21}};
  for (int i = 0; i < 2; ++i) cuda::multiply(context, p);
  BOOST_REQUIRE(cudaStreamSynchronize(context.stream) == cudaSuccess);
  BOOST_REQUIRE(context.plans.size() == 1);
  BOOST_TEST(!context.plans.begin()->second.usable);
  reference.linear(y.host(), x.host(), w.host(), {});
  BOOST_TEST(y.error(size_of_sum(35)) <= limit<bf16>("linear"));
}

BOOST_AUTO_TEST_CASE(plans_are_kept_but_not_without_end) {
  using exec_t = cuda_exec<float>;
  exec_t exec;
  detail::cuda_context context;
  context.open({}, reinterpret_cast<const void*>(&cuda::fill_kernel<float>));
  const index_t most = detail::cuda_context::most_plans;
  device_array<exec_t, float> x(exec, most + 3, 1), w(exec, 1, 1), y(exec, most + 3, 1);
  x.set([] { return 2.0; }), w.set([] { return 3.0; }), y.poison();
  exec.synchronize();
  for (index_t rows = 1; rows <= most + 3; ++rows)
    cuda::multiply(context,
                   cuda::linear_product(y.device().slice(0, rows), view<const float, 2>(x.device()).slice(0, rows),
                                        view<const float, 2>(w.device())));
  BOOST_REQUIRE(cudaStreamSynchronize(context.stream) == cudaSuccess);
  BOOST_TEST(context.plans.size() == 3u);
  BOOST_TEST(same_bits(y.found(), std::vector<float>(static_cast<std::size_t>(most + 3), 6.0f)));
}
