// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE mask_attention_oracle
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <tuple>

#include "mask/formulas.hpp"
#include "support/policies.hpp"
#include "transfusion/autograd/tape.hpp"

using namespace mask_tests;

namespace {

using matrix = std::vector<std::vector<double>>;

/// Up to about 300 rows, so that several tiles of every kernel are full, partial and skipped.
struct problem {
  tf::span_table table;
  tf::attention_shape shape;
  matrix q, k, v, weights;  ///< weights: of the outputs in a scalar loss

  template <class Mask>
  static problem of(unsigned seed) {
    problem p(seed);
    p.table = random_table<Mask>(p.random_, {.documents = 3, .parts = 8, .words = 12, .grid_rows = 8, .grid_cols = 9});
    p.draw();
    return p;
  }

  tf::index_t rows() const { return table.rows(); }

 private:
  explicit problem(unsigned seed) : random_(seed) {}

  void draw() {
    shape.kv_heads = 1 + below(2);
    shape.heads = shape.kv_heads * (1 + below(2));
    shape.head_width = 2 * (1 + below(12));
    shape.scale = 1 / std::sqrt(static_cast<double>(shape.head_width));
    q = values(shape.heads * shape.head_width);
    k = values(shape.kv_heads * shape.head_width);
    v = values(shape.kv_heads * shape.head_width);
    weights = values(shape.heads * shape.head_width);
  }
  tf::index_t below(unsigned n) { return static_cast<tf::index_t>(random_() % n); }
  matrix values(tf::index_t cols) {
    std::normal_distribution<float> normal;
    matrix m(static_cast<std::size_t>(rows()), std::vector<double>(static_cast<std::size_t>(cols)));
    for (auto& row : m)
      for (double& x : row) x = static_cast<double>(normal(random_));  // exact in float
    return m;
  }

  std::mt19937 random_;
};

/// Outputs, and the gradients of Σ weights · outputs, by softmax over a whole row of scores.
struct answer {
  matrix o, dq, dk, dv;
};

answer oracle(const problem& p, const dense_mask& mask) {
  const auto rows = static_cast<std::size_t>(p.rows()), width = static_cast<std::size_t>(p.shape.head_width);
  const auto zeros = [&](const matrix& like) { return matrix(rows, std::vector<double>(like[0].size())); };
  answer a{zeros(p.q), zeros(p.q), zeros(p.k), zeros(p.v)};
  for (std::size_t h = 0; h < static_cast<std::size_t>(p.shape.heads); ++h) {
    const std::size_t g = h / static_cast<std::size_t>(p.shape.heads / p.shape.kv_heads);
    for (std::size_t n = 0; n < rows; ++n) {
      std::vector<double> probability(rows), dprobability(rows);
      double sum = 0, mean = 0;
      for (std::size_t j = 0; j < rows; ++j) {
        double score = mask[n][j] ? 0 : -std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < width; ++c) score += p.shape.scale * p.q[n][h * width + c] * p.k[j][g * width + c];
        sum += probability[j] = std::exp(score);
      }
      for (std::size_t j = 0; j < rows; ++j) {
        probability[j] /= sum;
        for (std::size_t c = 0; c < width; ++c) {
          a.o[n][h * width + c] += probability[j] * p.v[j][g * width + c];
          a.dv[j][g * width + c] += probability[j] * p.weights[n][h * width + c];
          dprobability[j] += p.weights[n][h * width + c] * p.v[j][g * width + c];
        }
        mean += probability[j] * dprobability[j];
      }
      for (std::size_t j = 0; j < rows; ++j) {
        const double dscore = p.shape.scale * probability[j] * (dprobability[j] - mean);
        for (std::size_t c = 0; c < width; ++c) {
          a.dq[n][h * width + c] += dscore * p.k[j][g * width + c];
          a.dk[j][g * width + c] += dscore * p.q[n][h * width + c];
        }
      }
    }
  }
  return a;
}

/// max |found - expected| over max |expected|.
template <class T>
double error(tf::view<const T, 2> found, const matrix& expected) {
  double worst = 0, largest = 0;
  for (std::size_t n = 0; n < expected.size(); ++n)
    for (std::size_t c = 0; c < expected[n].size(); ++c) {
      const double x = static_cast<double>(found(static_cast<tf::index_t>(n), static_cast<tf::index_t>(c)));
      const double difference = std::abs(x - expected[n][c]);
      worst = difference <= worst ? worst : difference;  // a NaN sticks
      largest = std::fmax(largest, std::abs(expected[n][c]));
    }
  return worst / largest;
}

template <class Mask, class Exec>
void compare(Exec& exec) {
  using T = typename Exec::scalar;
  const double tolerance = sizeof(T) == 8 ? 1e-12 : 2e-5;
  for (unsigned seed = 0; seed < 20; ++seed) {
    const problem p = problem::of<Mask>(seed);
    const answer expected = oracle(p, written_out<Mask>(p.table));
    std::vector<tf::key_interval> lowered;
    mask::lower(Mask{}, p.table, 0, p.rows(), 0, lowered);

    tf::tape<Exec> tape(exec);
    const auto upload = [&](const matrix& m) {
      std::vector<T> flat;
      for (const auto& row : m)
        for (double x : row) flat.push_back(static_cast<T>(x));
      return tf::view<const T, 2>(tape.upload(flat).data, p.rows(), static_cast<tf::index_t>(m[0].size()));
    };
    const auto poisoned = [&](const matrix& like) {
      const auto m = tape.saved(p.rows(), static_cast<tf::index_t>(like[0].size()));
      exec.fill(m.flat(), std::nan(""));
      return m;
    };
    const tf::key_intervals keys(tape.upload(lowered).data, p.rows(), mask::intervals_per_row<Mask>);
    const auto q = upload(p.q), k = upload(p.k), v = upload(p.v), weights = upload(p.weights);
    const auto o = poisoned(p.q), dq = poisoned(p.q), dk = poisoned(p.k), dv = poisoned(p.v);
    const auto lse = tape.saved(p.rows(), p.shape.heads);
    exec.attention(o, lse, q, k, v, keys, p.shape);
    exec.attention_backward({dq, false}, {dk, false}, {dv, false}, weights, o, lse, q, k, v, keys, p.shape);

    BOOST_TEST_CONTEXT(tf::policy_name<Mask>() << ", seed " << seed << ", rows " << p.rows() << ", heads "
                                               << p.shape.heads << " of width " << p.shape.head_width) {
      BOOST_TEST(error<T>(o, expected.o) < tolerance);
      BOOST_TEST(error<T>(dq, expected.dq) < tolerance);
      BOOST_TEST(error<T>(dk, expected.dk) < tolerance);
      BOOST_TEST(error<T>(dv, expected.dv) < tolerance);
    }
  }
}

using masks = std::tuple<mask::causal, mask::intra_image, mask::bidirectional, mask::prefix<>,
                         mask::sliding_window<mask::intra_image, 9>, mask::noised_hidden,
                         mask::sliding_window<mask::noised_hidden, 20>, mask::prefix<mask::noised_hidden>,
                         mask::both<mask::prefix<>, mask::sliding_window<mask::bidirectional, 30>>,
                         mask::both<mask::noised_hidden, mask::causal>,
                         mask::either<mask::sliding_window<mask::intra_image, 5>, document_start<4>>>;

template <class Exec, class... Masks>
void compare_all(Exec& exec, std::tuple<Masks...>) {
  (compare<Masks>(exec), ...);
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(attention_is_softmax_under_the_dense_mask, Exec, test_support::policies) {
  Exec exec;
  compare_all(exec, masks{});
}
