// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_optimiser
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <utility>
#include <vector>

#include "cuda/rounding.hpp"
#include "cuda/tolerances.hpp"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/cuda/optimiser.cuh"

using namespace cuda_tests;

BOOST_AUTO_TEST_CASE_TEMPLATE(sum_of_squares_matches_the_reference, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  reference_exec<double> reference;
  for (index_t count : {0, 1, 3, 4, 257, 16384, 16389, 100003})
    for (index_t offset : {0, 1}) {
      draws d(static_cast<unsigned>(count));
      device_array<cuda_exec<Scalar>, float> x(exec, 1, count, offset), out(exec, 1, 1);
      x.set([&] { return d.normal(); }), out.set([] { return NAN; });
      BOOST_TEST(repeats([&] { exec.sum_of_squares(out.device().flat(), x.device().flat()); }, out));
      reference.sum_of_squares(out.host().flat(), x.host().flat());
      BOOST_TEST(share_of_limit(out, limit<Scalar>("sum_of_squares")) <= 1);
    }
}

BOOST_AUTO_TEST_CASE(sum_of_squares_keeps_small_terms_beside_a_large_one) {
  cuda_exec<bf16> exec;
  device_array<cuda_exec<bf16>, float> x(exec, 1, 1 << 18), out(exec, 1, 1);
  bool first = true;
  x.set([&] { return std::exchange(first, false) ? 1024.0 : 0x1p-6; }), out.set([] { return NAN; });
  exec.sum_of_squares(out.device().flat(), x.device().flat());
  BOOST_TEST(out.found()[0] == static_cast<float>(0x1p20 + (0x1p18 - 1) * 0x1p-12));
}

// The working copy is w, rounded once.
BOOST_AUTO_TEST_CASE_TEMPLATE(adamw_matches_the_reference_over_three_steps, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  worst_share worst("adamw");
  unsigned seed = 0;
  for (index_t count : {0, 1, 5, 64, 1027})
    for (index_t offset : {0, 1})
      for (int kind = 0; kind < 8; ++kind) {
        const bool clip = kind & 1, with_ema = kind & 2, with_working = kind & 4;
        draws d(++seed);
        const auto normal = [&] { return d.normal(); };
        device_array<exec_t, float> w(exec, 1, count), m(exec, 1, count, offset), v(exec, 1, count);
        device_array<exec_t, float> ema(exec, 1, count), g(exec, 1, count), norm(exec, 1, 1);
        device_array<exec_t, Scalar> working(exec, 1, count, offset);
        w.set(normal), m.set([] { return 0.0; }), v.set([] { return 0.0; }), ema.set(normal), working.poison();
        for (int step = 1; step <= 3; ++step) {
          g.set(normal), norm.set([&] { return 0.01 + std::abs(d.normal()); });
          const adamw_step s{.rate = 0.01,
                             .weight_decay = 0.1,
                             .correction1 = 1 - std::pow(0.9, step),
                             .correction2 = 1 - std::pow(0.95, step),
                             .max_norm = clip ? 0.5 : 0.0,
                             .ema_decay = 0.99};
          exec.adamw(w.device().flat(), m.device().flat(), v.device().flat(),
                     with_ema ? ema.device().flat() : view<float, 1>{},
                     with_working ? working.device().flat() : view<Scalar, 1>{}, g.device().flat(),
                     norm.device().flat(), s);
          reference.adamw(w.host().flat(), m.host().flat(), v.host().flat(),
                          with_ema ? ema.host().flat() : view<double, 1>{}, {}, g.host().flat(), norm.host().flat(), s);
        }
        for (auto* found : {&w, &m, &v, &ema}) worst.see(share_of_limit(*found, limit<Scalar>("adamw")));
        const std::vector<float> weights = w.found();
        const std::vector<Scalar> copies = working.found();
        for (std::size_t i = 0; i < weights.size(); ++i)
          if (with_working)
            BOOST_TEST(static_cast<float>(copies[i]) == static_cast<float>(Scalar(weights[i])));
          else
            BOOST_TEST(std::isnan(static_cast<float>(copies[i])));
      }
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

BOOST_AUTO_TEST_CASE(adamw_repeats_bit_for_bit) {
  using exec_t = cuda_exec<bf16>;
  exec_t exec;
  draws d(1);
  const auto normal = [&] { return d.normal(); };
  device_array<exec_t, float> w(exec, 1, 1027), m(exec, 1, 1027), v(exec, 1, 1027), ema(exec, 1, 1027);
  device_array<exec_t, float> g(exec, 1, 1027), norm(exec, 1, 1);
  device_array<exec_t, bf16> working(exec, 1, 1027);
  w.set(normal), m.set(normal), v.set([&] { return std::abs(d.normal()); }), ema.set(normal), g.set(normal);
  norm.set([] { return 2.0; }), working.poison();
  BOOST_TEST(repeats(
      [&] {
        exec.adamw(w.device().flat(), m.device().flat(), v.device().flat(), ema.device().flat(),
                   working.device().flat(), g.device().flat(), norm.device().flat(),
                   {.rate = 0.01, .weight_decay = 0.1, .max_norm = 1, .ema_decay = 0.9});
      },
      w, m, v, ema, working));
}
