// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_layer_norm
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "cuda/shapes.hpp"
#include "transfusion/cuda/layer_norm.cuh"

using namespace cuda_tests;

// With and without a gain and an offset.
BOOST_AUTO_TEST_CASE_TEMPLATE(layer_norm_matches_the_reference, Scalar, scalars) {
  worst_share worst("layer_norm");
  double worst_statistics = 0;
  for_shapes<Scalar>(norm_shapes, [&](auto& exec, auto& reference, norm_shape s, draws& d) {
    using exec_t = cuda_exec<Scalar>;
    const auto normal = [&] { return d.normal(); };
    device_array<exec_t, Scalar> x(exec, s.rows, s.cols, s.offset);
    device_array<exec_t, float> w(exec, 1, s.cols), b(exec, 1, s.cols);
    x.set([&] { return 0.5 + d.normal(); }), w.set(normal), b.set(normal);
    for (int held = 0; held < 4; ++held) {
      device_array<exec_t, Scalar> y(exec, s.rows, s.cols);
      device_array<exec_t, float> stats(exec, s.rows, 2);
      y.poison(), stats.set([] { return NAN; });
      const view<float, 1> none;
      BOOST_TEST(repeats(
          [&] {
            exec.layer_norm(y.device(), stats.device(), x.device(), held & 1 ? w.device().flat() : none,
                            held & 2 ? b.device().flat() : none, 1e-3);
          },
          y, stats));
      const view<double, 1> nothing;
      reference.layer_norm(y.host(), stats.host(), x.host(), held & 1 ? w.host().flat() : nothing,
                           held & 2 ? b.host().flat() : nothing, 1e-3);
      worst.see(share_of_limit(y, limit<Scalar>("layer_norm")));
      worst_statistics = std::max(worst_statistics, stats.error([](index_t) { return 1.0; }));
    }
  });
  BOOST_TEST_MESSAGE(worst.text() << ", statistics: error " << worst_statistics);
  BOOST_TEST(worst.value() <= 1);
  BOOST_TEST(worst_statistics <= limit<Scalar>("layer_norm_statistics"));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(layer_norm_backward_matches_the_reference, Scalar, scalars) {
  worst_share worst("layer_norm_backward");
  for_shapes<Scalar>(norm_shapes, [&](auto& exec, auto& reference, norm_shape s, draws& d) {
    using exec_t = cuda_exec<Scalar>;
    const auto normal = [&] { return d.normal(); };
    device_array<exec_t, Scalar> dy(exec, s.rows, s.cols), x(exec, s.rows, s.cols, s.offset);
    device_array<exec_t, float> w(exec, 1, s.cols), stats(exec, s.rows, 2);
    bool inverse = true;
    dy.set(normal), x.set(normal), w.set(normal);
    stats.set([&] { return (inverse = !inverse) ? std::abs(d.normal()) + 0.125 : 0.1 * d.normal(); });
    for (int wanted = 0; wanted < 8; ++wanted) {
      const bool add = d.coin(), gain = d.coin(), dx_wanted = wanted & 1, dw_wanted = wanted & 2,
                 db_wanted = wanted & 4;
      device_array<exec_t, Scalar> dx(exec, s.rows, s.cols);
      device_array<exec_t, float> dw(exec, 1, s.cols), db(exec, 1, s.cols);
      add ? dx.set(normal) : dx.poison();
      dw.set(normal), db.set(normal);
      const view<float, 1> none;
      BOOST_TEST(repeats(
          [&] {
            exec.layer_norm_backward(dx_wanted ? dx.device_sink(add) : gradient_sink<Scalar>{},
                                     dw_wanted ? dw.device().flat() : none, db_wanted ? db.device().flat() : none,
                                     dy.device(), x.device(), gain ? w.device().flat() : none, stats.device());
          },
          dx, dw, db));
      const view<double, 1> nothing;
      reference.layer_norm_backward(dx_wanted ? dx.host_sink(add) : gradient_sink<double>{},
                                    dw_wanted ? dw.host().flat() : nothing, db_wanted ? db.host().flat() : nothing,
                                    dy.host(), x.host(), gain ? w.host().flat() : nothing, stats.host());
      worst.see(share_of_limit(dx, limit<Scalar>("layer_norm_backward")));
      worst.see(share_of_limit(dw, limit<Scalar>("layer_norm_backward_dw")));
      worst.see(share_of_limit(db, limit<Scalar>("layer_norm_backward_dw")));
    }
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

// A mean of thousands of deviations costs no digits but those that x has lost.
BOOST_AUTO_TEST_CASE(a_large_mean_costs_no_digits) {
  cuda_exec<float> exec;
  reference_exec<double> reference;
  for (const index_t cols : {8, 200, 1000, 8300}) {
    draws d(static_cast<unsigned>(cols));
    device_array<cuda_exec<float>, float> x(exec, 3, cols), y(exec, 3, cols), stats(exec, 3, 2);
    x.set([&] { return 4096 + d.normal(); }), y.poison(), stats.poison();
    exec.layer_norm(y.device(), stats.device(), x.device(), {}, {}, 1e-5);
    reference.layer_norm(y.host(), stats.host(), x.host(), {}, {}, 1e-5);
    BOOST_TEST(y.error([](index_t) { return 1.0; }) < 1e-3);  // the mean itself is held to 2^-12
  }
}
