// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_elementwise
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cuda/shapes.hpp"
#include "transfusion/cuda/elementwise.cuh"
#include "transfusion/cuda/random.cuh"
#include "transfusion/cuda/rope.cuh"

using namespace cuda_tests;

namespace {

struct shape {
  index_t rows, cols, offset;
};
constexpr shape shapes[] = {{0, 5, 0},   {1, 1, 0},   {1, 7, 1},   {3, 8, 0},    {3, 8, 1},
                            {17, 33, 0}, {5, 129, 3}, {64, 64, 0}, {40, 260, 1}, {129, 200, 0}};

/// Numbers as rows of `cols`.
view<const token_t, 2> as_columns(view<const token_t, 1> ids, index_t cols) {
  return {ids.data, ids.size() / cols, cols};
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(activations_match_the_reference, Scalar, scalars) {
  worst_share worst("swiglu, silu, add");
  for_shapes<Scalar>(shapes, [&](auto& exec, auto& reference, shape s, draws& d) {
    using array = device_array<cuda_exec<Scalar>, Scalar>;
    const auto normal = [&] { return 3 * d.normal(); };
    array a(exec, s.rows, s.cols, s.offset), b(exec, s.rows, s.cols, s.offset);
    array y(exec, s.rows, s.cols, s.offset), z(exec, s.rows, s.cols), sum(exec, s.rows, s.cols);
    a.set(normal), b.set(normal), y.poison(), z.poison(), sum.poison();
    BOOST_TEST(repeats(
        [&] {
          exec.swiglu(y.device(), a.device(), b.device());
          exec.silu(z.device(), a.device());
          exec.add(sum.device(), a.device(), b.device());
        },
        y, z, sum));
    reference.swiglu(y.host(), a.host(), b.host());
    reference.silu(z.host(), a.host());
    reference.add(sum.host(), a.host(), b.host());
    worst.see(share_of_limit(y, limit<Scalar>("swiglu")));
    worst.see(share_of_limit(z, limit<Scalar>("silu")));
    worst.see(share_of_limit(sum, limit<Scalar>("add")));
    exec.add(b.device(), a.device(), b.device());
    reference.add(b.host(), a.host(), b.host());
    worst.see(share_of_limit(b, limit<Scalar>("add")));
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gradients_match_the_reference, Scalar, scalars) {
  worst_share worst("swiglu_backward, silu_backward, accumulate");
  for_shapes<Scalar>(shapes, [&](auto& exec, auto& reference, shape s, draws& d) {
    using array = device_array<cuda_exec<Scalar>, Scalar>;
    const auto normal = [&] { return 2 * d.normal(); };
    for (int wanted = 0; wanted < 16; ++wanted) {
      const bool gate_wanted = wanted & 1, up_wanted = wanted & 2, add_gate = wanted & 4, add_up = wanted & 8;
      array dy(exec, s.rows, s.cols, s.offset), gate(exec, s.rows, s.cols), up(exec, s.rows, s.cols, s.offset);
      array dgate(exec, s.rows, s.cols, s.offset), dup(exec, s.rows, s.cols);
      dy.set(normal), gate.set(normal), up.set(normal);
      add_gate ? dgate.set(normal) : dgate.poison();
      add_up ? dup.set(normal) : dup.poison();
      const auto device_gate = gate_wanted ? dgate.device_sink(add_gate) : gradient_sink<Scalar>{};
      const auto device_up = up_wanted ? dup.device_sink(add_up) : gradient_sink<Scalar>{};
      BOOST_TEST(repeats([&] { exec.swiglu_backward(device_gate, device_up, dy.device(), gate.device(), up.device()); },
                         dgate, dup));
      reference.swiglu_backward(gate_wanted ? dgate.host_sink(add_gate) : gradient_sink<double>{},
                                up_wanted ? dup.host_sink(add_up) : gradient_sink<double>{}, dy.host(), gate.host(),
                                up.host());
      worst.see(share_of_limit(dgate, limit<Scalar>("swiglu_backward")));
      worst.see(share_of_limit(dup, limit<Scalar>("swiglu_backward")));
    }
    for (bool add : {false, true}) {
      array dy(exec, s.rows, s.cols), x(exec, s.rows, s.cols, s.offset), dx(exec, s.rows, s.cols);
      array copied(exec, s.rows, s.cols);
      dy.set(normal), x.set(normal);
      for (array* into : {&dx, &copied}) add ? into->set(normal) : into->poison();
      exec.silu_backward(dx.device_sink(add), dy.device(), x.device());
      reference.silu_backward(dx.host_sink(add), dy.host(), x.host());
      exec.accumulate(copied.device_sink(add), x.device());
      reference.accumulate(copied.host_sink(add), x.host());
      worst.see(share_of_limit(dx, limit<Scalar>("silu_backward")));
      worst.see(share_of_limit(copied, limit<Scalar>("accumulate")));
    }
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(gelu_and_products_match_the_reference, Scalar, scalars) {
  worst_share worst("gelu, multiply");
  for_shapes<Scalar>(shapes, [&](auto& exec, auto& reference, shape s, draws& d) {
    using array = device_array<cuda_exec<Scalar>, Scalar>;
    const auto normal = [&] { return 2 * d.normal(); };
    array a(exec, s.rows, s.cols, s.offset), b(exec, s.rows, s.cols, s.offset), dy(exec, s.rows, s.cols);
    array y(exec, s.rows, s.cols, s.offset), z(exec, s.rows, s.cols);
    a.set(normal), b.set(normal), dy.set(normal), y.poison(), z.poison();
    BOOST_TEST(repeats(
        [&] {
          exec.gelu(y.device(), a.device());
          exec.multiply(z.device(), a.device(), b.device());
        },
        y, z));
    reference.gelu(y.host(), a.host());
    reference.multiply(z.host(), a.host(), b.host());
    worst.see(share_of_limit(y, limit<Scalar>("gelu")));
    worst.see(share_of_limit(z, limit<Scalar>("multiply")));
    for (int wanted = 0; wanted < 16; ++wanted) {
      const bool a_wanted = wanted & 1, b_wanted = wanted & 2, add_a = wanted & 4, add_b = wanted & 8;
      array da(exec, s.rows, s.cols, s.offset), db(exec, s.rows, s.cols), dx(exec, s.rows, s.cols, s.offset);
      add_a ? da.set(normal) : da.poison();
      add_b ? db.set(normal) : db.poison();
      add_a ? dx.set(normal) : dx.poison();
      BOOST_TEST(repeats(
          [&] {
            exec.multiply_backward(a_wanted ? da.device_sink(add_a) : gradient_sink<Scalar>{},
                                   b_wanted ? db.device_sink(add_b) : gradient_sink<Scalar>{}, dy.device(), a.device(),
                                   b.device());
            exec.gelu_backward(dx.device_sink(add_a), dy.device(), b.device());
          },
          da, db, dx));
      reference.multiply_backward(a_wanted ? da.host_sink(add_a) : gradient_sink<double>{},
                                  b_wanted ? db.host_sink(add_b) : gradient_sink<double>{}, dy.host(), a.host(),
                                  b.host());
      reference.gelu_backward(dx.host_sink(add_a), dy.host(), b.host());
      worst.see(share_of_limit(da, limit<Scalar>("multiply_backward")));
      worst.see(share_of_limit(db, limit<Scalar>("multiply_backward")));
      worst.see(share_of_limit(dx, limit<Scalar>("gelu_backward")));
    }
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(leaky_relu_matches_the_reference, Scalar, scalars) {
  worst_share worst("leaky_relu");
  for_shapes<Scalar>(shapes, [&](auto& exec, auto& reference, shape s, draws& d) {
    using array = device_array<cuda_exec<Scalar>, Scalar>;
    const auto normal = [&] { return d.normal(); };
    array x(exec, s.rows, s.cols, s.offset), dy(exec, s.rows, s.cols), y(exec, s.rows, s.cols, s.offset);
    x.set(normal), dy.set(normal), y.poison();
    for (const double slope : {0.0, 0.2})
      for (const bool add : {false, true}) {
        array dx(exec, s.rows, s.cols, s.offset);
        add ? dx.set(normal) : dx.poison();
        BOOST_TEST(repeats(
            [&] {
              exec.leaky_relu(y.device(), x.device(), slope);
              exec.leaky_relu_backward(dx.device_sink(add), dy.device(), x.device(), slope);
            },
            y, dx));
        reference.leaky_relu(y.host(), x.host(), slope);
        reference.leaky_relu_backward(dx.host_sink(add), dy.host(), x.host(), slope);
        worst.see(share_of_limit(y, limit<Scalar>("leaky_relu")));
        worst.see(share_of_limit(dx, limit<Scalar>("leaky_relu_backward")));
      }
    exec.leaky_relu_backward({}, dy.device(), x.device(), 0.2);
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

// Where both factors were one variable, its gradient is written by the first and added to by the second.
BOOST_AUTO_TEST_CASE_TEMPLATE(both_gradients_of_a_product_in_one_array, Scalar, scalars) {
  for_shapes<Scalar>(shapes, [&](auto& exec, auto& reference, shape s, draws& d) {
    using array = device_array<cuda_exec<Scalar>, Scalar>;
    array x(exec, s.rows, s.cols), dy(exec, s.rows, s.cols), dx(exec, s.rows, s.cols);
    // Whole numbers, that bf16 holds after every step.
    x.set([&] { return static_cast<double>(d.below(9) - 4); }), dy.set([&] { return static_cast<double>(d.below(5)); });
    dx.poison();
    exec.multiply_backward(dx.device_sink(false), dx.device_sink(true), dy.device(), x.device(), x.device());
    reference.multiply_backward(dx.host_sink(false), dx.host_sink(true), dy.host(), x.host(), x.host());
    BOOST_TEST(dx.error([](index_t) { return 1.0; }) == 0);
  });
}

BOOST_AUTO_TEST_CASE_TEMPLATE(activations_of_large_values_stay_finite, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  device_array<cuda_exec<Scalar>, Scalar> x(exec, 1, 4), y(exec, 1, 4), dx(exec, 1, 4), dy(exec, 1, 4);
  double next = -300;
  x.set([&] { return next += 120; });  // -180, -60, 60, 180
  dy.set([] { return 1.0; });
  for (const bool gelu : {false, true}) {
    y.poison(), dx.poison();
    gelu ? exec.gelu(y.device(), x.device()) : exec.silu(y.device(), x.device());
    gelu ? exec.gelu_backward(dx.device_sink(false), dy.device(), x.device())
         : exec.silu_backward(dx.device_sink(false), dy.device(), x.device());
    BOOST_TEST(std::abs(static_cast<float>(y.found()[0])) < 1e-20);
    BOOST_TEST(static_cast<float>(y.found()[3]) == 180);
    BOOST_TEST(std::abs(static_cast<float>(dx.found()[0])) < 1e-20);
    BOOST_TEST(static_cast<float>(dx.found()[3]) == 1);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(timestep_embedding_matches_the_reference, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  reference_exec<double> reference;
  for (index_t rows : {0, 1, 5, 33})
    for (index_t half : {1, 7, 128, 300}) {
      draws d(static_cast<unsigned>(rows + half));
      device_array<cuda_exec<Scalar>, float> t(exec, 1, rows);
      device_array<cuda_exec<Scalar>, Scalar> y(exec, rows, 2 * half);
      t.set([&] { return 1000 * std::abs(d.normal()); }), y.poison();
      exec.timestep_embedding(y.device(), t.device().flat(), 1e4);
      reference.timestep_embedding(y.host(), t.host().flat(), 1e4);
      BOOST_TEST(share_of_limit(y, limit<Scalar>("timestep_embedding")) <= 1);
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rope_table_matches_the_reference, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  reference_exec<double> reference;
  for (index_t rows : {0, 1, 5, 100})
    for (index_t width : {2, 14, 64, 128}) {
      draws d(static_cast<unsigned>(rows + width));
      const index_t axes = d.pick({1, 2, 3});
      std::vector<token_t> numbers;
      for (index_t n = 0; n < rows * axes; ++n) numbers.push_back(static_cast<token_t>(d.below(100000)));
      device_tokens<cuda_exec<Scalar>> positions(exec, numbers);
      device_array<cuda_exec<Scalar>, float> table(exec, rows, width);
      table.set([] { return NAN; });
      exec.rope_table(table.device(), as_columns(positions.device(), axes), 1e4);
      reference.rope_table(table.host(), as_columns(positions.host(), axes), 1e4);
      BOOST_TEST(share_of_limit(table, limit<Scalar>("rope_table")) <= 1);
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rope_matches_the_reference, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  reference_exec<double> reference;
  worst_share worst("rope");
  unsigned seed = 0;
  for (index_t rows : {0, 1, 7, 65})
    for (index_t width : {2, 6, 8, 20, 64})
      for (index_t heads : {1, 2, 5})
        for (index_t offset : {0, 1})
          for (double direction : {1.0, -1.0}) {
            draws d(++seed);
            device_array<cuda_exec<Scalar>, float> table(exec, rows, width);
            device_array<cuda_exec<Scalar>, Scalar> x(exec, rows, heads * width, offset);
            table.set([&] { return d.normal(); }), x.set([&] { return d.normal(); });
            BOOST_TEST(repeats([&] { exec.rope(x.device(), table.device(), direction); }, x));
            reference.rope(x.host(), table.host(), direction);
            worst.see(share_of_limit(x, limit<Scalar>("rope")));
          }
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rope_turns_back, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  draws d(1);
  device_tokens<cuda_exec<Scalar>> positions(exec, {0, 1, 77, 4095});
  device_array<cuda_exec<Scalar>, float> table(exec, 4, 64);
  device_array<cuda_exec<Scalar>, Scalar> x(exec, 4, 128);
  table.poison(), x.set([&] { return d.normal(); });
  exec.rope_table(table.device(), as_columns(positions.device(), 1), 1e4);
  exec.rope(x.device(), table.device(), 1);
  exec.rope(x.device(), table.device(), -1);
  // The first rounding is of both of a pair, up to sqrt(2) as large as its largest; the second turn may add them up.
  BOOST_TEST(x.error([](index_t) { return 1.0; }) <= limit<Scalar>("rope_and_back"));
}

// The same words and the same formula in double as on the host: equal here, where the device's log, sin and cos are the
// host's. Where a device has its own they may differ by a unit or two of double, and so a float by one unit.
BOOST_AUTO_TEST_CASE_TEMPLATE(normals_match_the_reference, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  reference_exec<double> reference;
  for (index_t count : {0, 1, 3, 4, 5, 64, 1023})
    for (index_t first : {0, 1, 2, 3, 4, 7, 8, 1000001})
      for (index_t offset : {0, 1}) {
        const random_key key{123456789012345u, 3, stream::noise};
        device_array<cuda_exec<Scalar>, float> x(exec, 1, count, offset);
        x.set([] { return NAN; });
        exec.normal(x.device().flat(), key, 1.5, first);
        reference.normal(x.host().flat(), key, 1.5, first);
        const std::vector<float> found = x.found();
        for (index_t i = 0; i < count; ++i)
          BOOST_TEST(found[static_cast<std::size_t>(i)] == static_cast<float>(x.host()(0, i)));
      }
}

BOOST_AUTO_TEST_CASE(normals_are_written_only_where_they_belong) {
  cuda_exec<bf16> exec;
  for (index_t count : {1, 3, 4, 6, 9})
    for (index_t first : {0, 2, 3}) {
      device_array<cuda_exec<bf16>, float> around(exec, 1, count + 8);
      around.set([] { return NAN; });
      exec.normal(around.device().flat().slice(4, 4 + count), {7, 1, stream::noise}, 1, first);
      const std::vector<float> found = around.found();
      for (index_t i = 0; i < count + 8; ++i)
        BOOST_TEST(std::isnan(found[static_cast<std::size_t>(i)]) == (i < 4 || i >= 4 + count));
    }
}

BOOST_AUTO_TEST_CASE(normals_in_pieces_are_the_same_normals) {
  cuda_exec<bf16> exec;
  const random_key key{7, 1, stream::noise};
  device_array<cuda_exec<bf16>, float> whole(exec, 1, 100), pieces(exec, 1, 100);
  whole.set([] { return NAN; }), pieces.set([] { return NAN; });
  exec.normal(whole.device().flat(), key, 1);
  for (index_t at = 0; at < 100; at += 10) exec.normal(pieces.device().flat().slice(at, at + 10), key, 1, at);
  BOOST_TEST(testing::same_bits(whole.found(), pieces.found()));
}

// Exactly the elements whose number of the key reaches the rate are kept, wherever the packs lie.
BOOST_AUTO_TEST_CASE_TEMPLATE(dropout_matches_the_reference, Scalar, scalars) {
  worst_share worst("dropout");
  for_shapes<Scalar>(shapes, [&](auto& exec, auto& reference, shape s, draws& d) {
    using array = device_array<cuda_exec<Scalar>, Scalar>;
    const auto normal = [&] { return d.normal(); };
    for (double rate : {0.0, 0.1, 0.75})
      for (index_t first : {0, 1, 4, 6})
        for (bool add : {false, true}) {
          const random_key key{123456789012345u, 3, stream::dropout};
          array x(exec, s.rows, s.cols, s.offset), y(exec, s.rows, s.cols, s.offset);
          x.set(normal);
          add ? y.set(normal) : y.poison();
          BOOST_TEST(repeats([&] { exec.dropout(y.device_sink(add), x.device(), key, rate, first); }, y));
          reference.dropout(y.host_sink(add), x.host(), key, rate, first);
          worst.see(share_of_limit(y, limit<Scalar>("dropout")));
        }
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

// The threshold is the lowest bits that the reference keeps.
BOOST_AUTO_TEST_CASE(dropout_thresholds_are_those_of_the_uniform_numbers) {
  draws d(3);
  std::vector<double> rates = {0, 0x1p-33, 0x1.8p-32, 0.1, 0.25, 0.3, 0.5, 0.75, 1 - 0x1p-32, 1 - 0x1p-40};
  for (int i = 0; i < 1000; ++i) rates.push_back(static_cast<double>(d.below(1000000)) / 1e6);
  for (double rate : rates) {
    const std::uint64_t threshold = cuda::dropout_threshold(rate);
    BOOST_TEST(threshold <= (std::uint64_t{1} << 32));
    if (threshold > 0) BOOST_TEST(random_key::to_uniform(static_cast<std::uint32_t>(threshold - 1)) < rate);
    if (threshold >> 32 == 0) BOOST_TEST(random_key::to_uniform(static_cast<std::uint32_t>(threshold)) >= rate);
  }
}
