// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_head
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "autograd/contrastive_cases.hpp"
#include "cuda/device_array.hpp"
#include "cuda/tolerances.hpp"
#include "transfusion/cuda/cross_entropy.cuh"
#include "transfusion/cuda/elementwise.cuh"
#include "transfusion/cuda/embedding.cuh"
#include "transfusion/cuda/linear.cuh"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/cuda/norm.cuh"
#include "transfusion/cuda/random.cuh"
#include "transfusion/testing/compare.hpp"

using namespace cuda_tests;
using testing::same_bits;

namespace {

std::vector<token_t> random_ids(draws& d, index_t n, index_t limit, index_t ignored_in) {
  std::vector<token_t> ids;
  for (index_t i = 0; i < n; ++i)
    ids.push_back(ignored_in && d.below(ignored_in) == 0 ? -1 : static_cast<token_t>(d.below(limit)));
  return ids;
}

struct errors {
  double loss = 0, dx = 0, dw = 0;
};

struct head_shape {
  index_t rows, width, vocabulary, ignored_in;
};

template <class Scalar>
void compare_cross_entropy(cuda_exec<Scalar>& exec, head_shape s, int wanted, double z_weight, double smoothing,
                           unsigned seed, errors& worst) {
  using exec_t = cuda_exec<Scalar>;
  draws d(seed);
  const auto normal = [&] { return d.normal(); };
  device_array<exec_t, Scalar> x(exec, s.rows, s.width), w(exec, s.vocabulary, s.width), dx(exec, s.rows, s.width);
  device_array<exec_t, float> loss(exec, s.rows, 1), log_z(exec, s.rows, 1), weights(exec, 1, s.rows);
  device_array<exec_t, float> dw(exec, s.vocabulary, s.width);
  device_tokens<exec_t> targets(exec, random_ids(d, s.rows, s.vocabulary, s.ignored_in));
  x.set(normal), w.set([&] { return 0.3 * d.normal(); }), weights.set([&] { return 0.125 + std::abs(d.normal()); });
  dx.poison(), loss.poison(), log_z.poison(), dw.set([&] { return 0.01 * d.normal(); });
  const auto call = [&] {
    exec.cross_entropy(loss.device().flat(), log_z.device().flat(), wanted & 1 ? dx.device() : view<Scalar, 2>{},
                       wanted & 2 ? dw.device() : view<float, 2>{}, x.device(), w.device(), targets.device(),
                       weights.device().flat(), z_weight, smoothing);
  };
  call();
  reference_exec<double> reference;
  reference.cross_entropy(loss.host().flat(), log_z.host().flat(), wanted & 1 ? dx.host() : view<double, 2>{},
                          wanted & 2 ? dw.host() : view<double, 2>{}, x.host(), w.host(), targets.host(),
                          weights.host().flat(), z_weight, smoothing);
  // A loss is a difference of a sum of up to `width` products and a log: the size of either, at least 1.
  const auto loss_size = [&](index_t) { return 1.0; };
  worst.loss = std::max({worst.loss, loss.error(loss_size), log_z.error(loss_size)});
  // The gradients of a row's logits add up to about its weight on either side: dx is of that times the size of w.
  worst.dx = std::max(worst.dx, dx.error([&](index_t n) {
    const token_t target = targets.host()[n];
    double size = target >= 0 ? 0.3 * weights.host()(0, n) : 0;
    for (index_t c = 0; target >= 0 && c < s.width; ++c)
      size = std::max(size, weights.host()(0, n) * std::abs(w.host()(target, c)));
    return size;
  }));
  worst.dw = std::max(worst.dw, dw.error([](index_t) { return 0.01; }));
  const auto first_loss = loss.found(), first_log_z = log_z.found(), first_dw = dw.found();
  const auto first_dx = dx.found();
  loss.reset(), log_z.reset(), dx.reset(), dw.reset();
  call();
  BOOST_TEST(same_bits(first_loss, loss.found()));
  BOOST_TEST(same_bits(first_log_z, log_z.found()));
  BOOST_TEST(same_bits(first_dx, dx.found()));
  BOOST_TEST(same_bits(first_dw, dw.found()));
}

template <class Scalar>
void check_errors(const errors& worst) {
  BOOST_TEST_MESSAGE("loss: error " << worst.loss << ", dx: error " << worst.dx << ", dw: error " << worst.dw);
  BOOST_TEST(worst.loss <= limit<Scalar>("cross_entropy"));
  BOOST_TEST(worst.dx <= limit<Scalar>("cross_entropy_dx"));
  BOOST_TEST(worst.dw <= limit<Scalar>("cross_entropy_dw"));
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(cross_entropy_matches_the_reference, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  errors worst;
  unsigned seed = 0;
  for (head_shape s : {head_shape{1, 1, 1, 0}, head_shape{2, 7, 7, 2}, head_shape{17, 33, 64, 5},
                       head_shape{40, 64, 521, 3}, head_shape{3, 16, 2500, 2}, head_shape{5, 8, 3, 1}})
    for (int wanted = 0; wanted < 4; ++wanted)
      for (double z_weight : {0.0, 0.01})
        for (double smoothing : {0.0, 0.1}) compare_cross_entropy(exec, s, wanted, z_weight, smoothing, ++seed, worst);
  check_errors<Scalar>(worst);
}

BOOST_AUTO_TEST_CASE(logits_come_in_chunks_of_a_fixed_size) {
  static_assert(transfusion::cuda::logit_rows(10, 50257) == 10);
  for (index_t vocabulary : {1, 64, 65, 32000, 50257, 128256, 70001}) {
    const index_t rows = transfusion::cuda::logit_rows(index_t{1} << 40, vocabulary);
    BOOST_TEST(rows * transfusion::cuda::logit_pitch(vocabulary) * 4 <= transfusion::cuda::logit_bytes);
    BOOST_TEST((rows + 128) * transfusion::cuda::logit_pitch(vocabulary) * 4 > transfusion::cuda::logit_bytes);
    BOOST_TEST((rows < 128 || rows % 128 == 0));
  }
  BOOST_TEST(transfusion::cuda::logit_rows(10, index_t{1} << 30) == 1);
}

BOOST_AUTO_TEST_CASE(cross_entropy_in_several_chunks_matches_the_reference) {
  cuda_exec<bf16> exec;
  const head_shape s{131, 2, 140001, 2};
  BOOST_REQUIRE(transfusion::cuda::logit_rows(s.rows, s.vocabulary) < s.rows);
  errors worst;
  compare_cross_entropy(exec, s, 3, 0.001, 0.1, 77, worst);
  check_errors<bf16>(worst);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(large_logits_stay_finite, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  device_array<exec_t, Scalar> x(exec, 2, 1), w(exec, 3, 1), dx(exec, 2, 1);
  device_array<exec_t, float> loss(exec, 2, 1), log_z(exec, 2, 1), weights(exec, 1, 2);
  device_tokens<exec_t> targets(exec, {0, 2});
  double next = -512;
  w.set([&] { return next += 256; });  // -256, 0, 256
  x.set([] { return 16.0; }), weights.set([] { return 1.0; }), dx.poison(), loss.poison(), log_z.poison();
  exec.cross_entropy(loss.device().flat(), log_z.device().flat(), dx.device(), {}, x.device(), w.device(),
                     targets.device(), weights.device().flat(), 0, 0);
  BOOST_TEST(loss.found() == (std::vector<float>{8192, 0}));
  BOOST_TEST(log_z.found() == (std::vector<float>{4096, 4096}));
  BOOST_TEST(static_cast<float>(dx.found()[0]) == 512);
  BOOST_TEST(static_cast<float>(dx.found()[1]) == 0);
}

// Both ways of a pair through the head's pass: what it adds up in float is narrowed into a gradient. A logit is a scale
// times a product of rounded rows; a row's gradient is of that scale times a weight, 1 / 2B, over its length.
BOOST_AUTO_TEST_CASE_TEMPLATE(contrastive_loss_is_near_the_references, Scalar, scalars) {
  constexpr double scale = 5, rounding = std::is_same_v<Scalar, bf16> ? 1.0 / 32 : 4e-6;
  const auto length = [](const std::vector<double>& rows, std::size_t n, std::size_t width) {
    double squares = 0;
    for (std::size_t c = 0; c < width; ++c) squares += rows[n * width + c] * rows[n * width + c];
    return std::sqrt(squares);
  };
  for (const index_t pairs : {1, 7, 64})
    for (const index_t width : {3, 33}) {
      const auto images = contrastive_cases::normal_numbers(pairs * width, 5),
                 texts = contrastive_cases::normal_numbers(pairs * width, 6);
      const auto expected = contrastive_cases::contrastive_pass<reference_exec<double>>(images, texts, pairs, scale),
                 found = contrastive_cases::contrastive_pass<cuda_exec<Scalar>>(images, texts, pairs, scale);
      const auto columns = static_cast<std::size_t>(width);
      const auto worst = [&](std::size_t part, auto size) {
        double most = 0;
        for (std::size_t i = 0; i < expected[part].size(); ++i)
          most = std::max(most, std::abs(found[part][i] - expected[part][i]) / size(i));
        return most;
      };
      const auto of_logits = [&](std::size_t) { return scale; };
      const auto of_gradient = [&](const std::vector<double>& rows) {
        return [&](std::size_t i) {
          return scale / (static_cast<double>(2 * pairs) * length(rows, i / columns, columns));
        };
      };
      BOOST_TEST(worst(0, of_logits) < rounding);
      BOOST_TEST(worst(1, of_logits) < rounding);
      BOOST_TEST(worst(2, of_gradient(images)) < rounding);
      BOOST_TEST(worst(3, of_gradient(texts)) < rounding);
      BOOST_TEST(worst(4, of_logits) < 2 * rounding);  // the factor is a half
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(embeddings_are_copied_exactly, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  unsigned seed = 0;
  for (index_t rows : {0, 1, 7, 129})
    for (index_t width : {1, 8, 33, 64, 2056})
      for (index_t offset : {0, 1}) {
        draws d(++seed);
        device_array<exec_t, Scalar> table(exec, 37, width, offset), y(exec, rows, width);
        table.set([&] { return d.normal(); }), y.poison();
        device_tokens<exec_t> ids(exec, random_ids(d, rows, 37, 6));
        exec.embedding(y.device(), table.device(), ids.device());
        reference.embedding(y.host(), table.host(), ids.host());
        BOOST_TEST(y.error([](index_t) { return 1.0; }) == 0);
      }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(embedding_backward_matches_the_reference_and_repeats, Scalar, scalars) {
  using exec_t = cuda_exec<Scalar>;
  exec_t exec;
  reference_exec<double> reference;
  double worst = 0;
  unsigned seed = 0;
  for (index_t rows : {0, 1, 5, 64, 300})
    for (index_t width : {1, 33, 128, 200})
      for (index_t vocabulary : {1, 8, 1000}) {
        draws d(++seed);
        const auto normal = [&] { return d.normal(); };
        device_array<exec_t, Scalar> dy(exec, rows, width);
        device_array<exec_t, float> dtable(exec, vocabulary, width);
        dy.set(normal), dtable.set(normal);
        device_tokens<exec_t> ids(exec, random_ids(d, rows, vocabulary, d.pick({0, 1, 4})));
        exec.embedding_backward(dtable.device(), dy.device(), ids.device());
        reference.embedding_backward(dtable.host(), dy.host(), ids.host());
        worst = std::max(worst, dtable.error([](index_t) { return 1.0; }));
        const auto first = dtable.found();
        dtable.reset();
        exec.embedding_backward(dtable.device(), dy.device(), ids.device());
        BOOST_TEST(same_bits(first, dtable.found()));
      }
  BOOST_TEST_MESSAGE("embedding_backward: error " << worst);
  BOOST_TEST(worst <= limit<Scalar>("embedding_backward"));
}
