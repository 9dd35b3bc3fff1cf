// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_norm
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "cuda/shapes.hpp"
#include "transfusion/cuda/norm.cuh"

using namespace cuda_tests;

BOOST_AUTO_TEST_CASE_TEMPLATE(rms_norm_matches_the_reference, Scalar, scalars) {
  worst_share worst("rms_norm");
  for_shapes<Scalar>(norm_shapes, [&](auto& exec, auto& reference, norm_shape s, draws& d) {
    using exec_t = cuda_exec<Scalar>;
    const auto normal = [&] { return d.normal(); };
    device_array<exec_t, Scalar> x(exec, s.rows, s.cols, s.offset), y(exec, s.rows, s.cols);
    device_array<exec_t, float> w(exec, 1, s.cols), inverse(exec, s.rows, 1);
    x.set(normal), w.set(normal), y.poison(), inverse.set([] { return NAN; });
    BOOST_TEST(repeats([&] { exec.rms_norm(y.device(), inverse.device().flat(), x.device(), w.device().flat(), 1e-5); },
                       y, inverse));
    reference.rms_norm(y.host(), inverse.host().flat(), x.host(), w.host().flat(), 1e-5);
    worst.see(share_of_limit(y, limit<Scalar>("rms_norm")));
    worst.see(share_of_limit(inverse, limit<Scalar>("rms_norm_inverse")));
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

// The sum is rounded to its type, and it is the rounded sum that is normalised: the backward reads it.
BOOST_AUTO_TEST_CASE_TEMPLATE(add_rms_norm_matches_the_reference, Scalar, scalars) {
  worst_share worst("add_rms_norm");
  for_shapes<Scalar>(norm_shapes, [&](auto& exec, auto& reference, norm_shape s, draws& d) {
    using exec_t = cuda_exec<Scalar>;
    const auto normal = [&] { return d.normal(); };
    device_array<exec_t, Scalar> a(exec, s.rows, s.cols, s.offset), b(exec, s.rows, s.cols);
    device_array<exec_t, Scalar> sum(exec, s.rows, s.cols), y(exec, s.rows, s.cols, s.offset);
    device_array<exec_t, float> w(exec, 1, s.cols), inverse(exec, s.rows, 1);
    a.set(normal), b.set(normal), w.set(normal), sum.poison(), y.poison(), inverse.set([] { return NAN; });
    BOOST_TEST(repeats(
        [&] {
          exec.add_rms_norm(sum.device(), y.device(), inverse.device().flat(), a.device(), b.device(),
                            w.device().flat(), 1e-5);
        },
        sum, y, inverse));
    reference.add(sum.host(), a.host(), b.host());
    worst.see(share_of_limit(sum, limit<Scalar>("add_rms_norm_sum")));
    const std::vector<Scalar> rounded = sum.found();
    for (index_t i = 0; i < sum.host().size(); ++i)
      sum.host().data[i] = static_cast<double>(rounded[static_cast<std::size_t>(i)]);
    reference.rms_norm(y.host(), inverse.host().flat(), sum.host(), w.host().flat(), 1e-5);
    worst.see(share_of_limit(y, limit<Scalar>("rms_norm")));
    worst.see(share_of_limit(inverse, limit<Scalar>("rms_norm_inverse")));
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rms_norm_backward_matches_the_reference, Scalar, scalars) {
  worst_share worst("rms_norm_backward");
  for_shapes<Scalar>(norm_shapes, [&](auto& exec, auto& reference, norm_shape s, draws& d) {
    using exec_t = cuda_exec<Scalar>;
    const auto normal = [&] { return d.normal(); };
    device_array<exec_t, Scalar> dy(exec, s.rows, s.cols), x(exec, s.rows, s.cols, s.offset);
    device_array<exec_t, float> w(exec, 1, s.cols), inverse(exec, s.rows, 1);
    dy.set(normal), x.set(normal), w.set(normal), inverse.set([&] { return std::abs(d.normal()) + 0.125; });
    for (int wanted = 0; wanted < 6; ++wanted) {
      const bool add = wanted & 1, dx_wanted = wanted < 4, dw_wanted = wanted >= 2;
      device_array<exec_t, Scalar> dx(exec, s.rows, s.cols);
      device_array<exec_t, float> dw(exec, 1, s.cols);
      add ? dx.set(normal) : dx.poison();
      dw.set(normal);
      const auto device_dx = dx_wanted ? dx.device_sink(add) : gradient_sink<Scalar>{};
      const auto device_dw = dw_wanted ? dw.device().flat() : view<float, 1>{};
      BOOST_TEST(repeats(
          [&] {
            exec.rms_norm_backward(device_dx, device_dw, dy.device(), x.device(), w.device().flat(),
                                   inverse.device().flat());
          },
          dx, dw));
      reference.rms_norm_backward(dx_wanted ? dx.host_sink(add) : gradient_sink<double>{},
                                  dw_wanted ? dw.host().flat() : view<double, 1>{}, dy.host(), x.host(),
                                  w.host().flat(), inverse.host().flat());
      worst.see(share_of_limit(dx, limit<Scalar>("rms_norm_backward")));
      worst.see(share_of_limit(dw, limit<Scalar>("rms_norm_backward_dw")));
    }
  });
  BOOST_TEST_MESSAGE(worst.text());
  BOOST_TEST(worst.value() <= 1);
}

// Many chunks, of more than the least number of rows.
BOOST_AUTO_TEST_CASE(rms_norm_backward_adds_up_many_rows) {
  cuda_exec<bf16> exec;
  reference_exec<double> reference;
  draws d(1);
  const index_t rows = 32 * 1024 + 77, cols = 8;
  const auto normal = [&] { return d.normal(); };
  device_array<cuda_exec<bf16>, bf16> dy(exec, rows, cols), x(exec, rows, cols);
  device_array<cuda_exec<bf16>, float> w(exec, 1, cols), inverse(exec, rows, 1), dw(exec, 1, cols);
  dy.set(normal), x.set(normal), w.set(normal), inverse.set([] { return 1.0; }), dw.set(normal);
  exec.rms_norm_backward({}, dw.device().flat(), dy.device(), x.device(), w.device().flat(), inverse.device().flat());
  reference.rms_norm_backward({}, dw.host().flat(), dy.host(), x.host(), w.host().flat(), inverse.host().flat());
  BOOST_TEST(share_of_limit(dw, limit<bf16>("rms_norm_backward_dw")) <= 1);
}
