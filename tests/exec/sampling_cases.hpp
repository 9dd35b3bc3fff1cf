// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "transfusion/exec/concepts.hpp"
#include "transfusion/exec/memory.hpp"

// One body for every policy: what sample_tokens draws.
namespace sampling_cases {

using namespace transfusion;

template <class Exec>
using rows_of = std::vector<std::vector<typename Exec::real>>;
using tokens = std::vector<token_t>;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

template <class Exec, class T>
buffer<Exec, T> uploaded(Exec& exec, const std::vector<T>& values) {
  buffer<Exec, T> b(exec, std::ssize(values));
  exec.upload(b.all().data, values.data(), values.size() * sizeof(T));
  return b;
}

/// One token a row, drawn twice with the same result. `forbidden`: none, or as many for each row.
template <class Exec>
tokens draw(Exec& exec, const rows_of<Exec>& logits, const text_sampling& s, const std::vector<double>& u,
            const std::vector<tokens>& forbidden = {}) {
  using real = typename Exec::real;
  const auto rows = std::ssize(logits), vocabulary = std::ssize(logits.front());
  std::vector<real> flat;
  for (const auto& row : logits) flat.insert(flat.end(), row.begin(), row.end());
  tokens never;
  for (const auto& row : forbidden) never.insert(never.end(), row.begin(), row.end());
  const auto device_logits = uploaded(exec, flat);
  const auto device_u = uploaded(exec, std::vector<real>(u.begin(), u.end()));
  const auto device_never = uploaded(exec, never);
  const index_t each = forbidden.empty() ? 0 : std::ssize(forbidden.front());
  tokens first, second;
  for (tokens* found : std::initializer_list<tokens*>{&first, &second}) {
    auto out = uploaded(exec, tokens(static_cast<std::size_t>(rows), -77));
    exec.sample_tokens(out.all(), view<const real, 2>(device_logits.all().data, rows, vocabulary), s, device_u.all(),
                       view<const token_t, 2>(device_never.all().data, rows, each));
    found->resize(static_cast<std::size_t>(rows));
    exec.download(found->data(), out.all().data, found->size() * sizeof(token_t));
  }
  BOOST_TEST(first == second);
  return first;
}

/// What the definition draws from one row, by loops of its own, and how far, as a share of the sum, the draw and top_p
/// stay clear of the nearest running sum: two policies may differ where one of them is within rounding of it.
struct expected_draw {
  token_t token = ignored;
  double clear = 1;
};
template <class Real>
expected_draw expect(std::vector<Real> logits, const text_sampling& s, double u, const tokens& forbidden) {
  for (token_t t : forbidden)
    if (t >= 0) logits[static_cast<std::size_t>(t)] = -std::numeric_limits<Real>::infinity();
  tokens order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto logit = [&](token_t t) { return static_cast<double>(logits[static_cast<std::size_t>(t)]); };
  for (token_t t : order)
    if (std::isnan(logit(t)) || logit(t) == infinity) return {};
  std::stable_sort(order.begin(), order.end(), [&](token_t a, token_t b) { return logit(a) > logit(b); });
  if (logit(order[0]) == -infinity) return {};
  if (s.temperature == 0) return {order[0], 1};

  if (s.top_k > 0) order.resize(std::min(order.size(), static_cast<std::size_t>(s.top_k)));
  std::vector<double> weight;
  for (token_t t : order) weight.push_back(std::exp((logit(t) - logit(order[0])) / s.temperature));
  expected_draw result;
  const auto first_past = [&](double goal, double total, bool reaching) {
    double sum = 0;
    for (std::size_t i = 0; i < weight.size(); ++i) {
      sum += weight[i];
      if (goal < total) result.clear = std::min(result.clear, std::abs(sum - goal) / total);
      if (reaching ? sum >= goal : sum > goal) return i;
    }
    return weight.size() - 1;
  };
  const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
  weight.resize(first_past(s.top_p * total, total, true) + 1);
  const double left = std::accumulate(weight.begin(), weight.end(), 0.0);
  result.token = order[first_past(u * left, left, false)];
  return result;
}

/// n numbers in (0, 1), evenly spread; exact in float for n up to 2^22.
inline std::vector<double> even(index_t n) {
  std::vector<double> u;
  for (index_t i = 0; i < n; ++i) u.push_back((static_cast<double>(i) + 0.5) / static_cast<double>(n));
  return u;
}

/// The share of evenly spread numbers that draw a token is its probability, but for the two ends of its interval.
template <class Exec>
void check_shares(Exec& exec, index_t draws, const std::vector<double>& logits, const text_sampling& s,
                  const tokens& forbidden, const std::vector<double>& probabilities) {
  const std::vector<typename Exec::real> row(logits.begin(), logits.end());
  const auto rows = static_cast<std::size_t>(draws);
  const std::vector<tokens> never(forbidden.empty() ? 0 : rows, forbidden);
  const tokens found = draw(exec, rows_of<Exec>(rows, row), s, even(draws), never);
  for (std::size_t t = 0; t < logits.size(); ++t) {
    const auto times = static_cast<double>(std::count(found.begin(), found.end(), static_cast<token_t>(t)));
    BOOST_TEST(std::abs(times - probabilities[t] * static_cast<double>(draws)) <= (probabilities[t] > 0 ? 1.0 : 0.0),
               "token " << t << " drawn " << times << " times, probability " << probabilities[t]);
  }
}

template <class Exec>
void check_probabilities(Exec& exec, index_t draws) {
  const double half = std::log(2.0);
  // Weights 1/4, 1, 1/2, 0, 1/4.
  const std::vector<double> logits = {-2 * half, 0, -half, -infinity, -2 * half};
  check_shares(exec, draws, logits, {.temperature = 1}, {}, {0.125, 0.5, 0.25, 0, 0.125});
  check_shares(exec, draws, logits, {.temperature = 0.5}, {}, {1 / 22., 16 / 22., 4 / 22., 0, 1 / 22.});
  check_shares(exec, draws, logits, {.temperature = 1, .top_k = 1}, {}, {0, 1, 0, 0, 0});
  check_shares(exec, draws, logits, {.temperature = 1, .top_k = 3}, {},
               {1 / 7., 4 / 7., 2 / 7., 0, 0});  // of a tie the lower
  check_shares(exec, draws, logits, {.temperature = 1, .top_k = 99}, {}, {0.125, 0.5, 0.25, 0, 0.125});
  check_shares(exec, draws, logits, {.temperature = 1, .top_p = 1e-9}, {}, {0, 1, 0, 0, 0});
  check_shares(exec, draws, logits, {.temperature = 1, .top_p = 0.6}, {}, {0, 2 / 3., 1 / 3., 0, 0});
  check_shares(exec, draws, logits, {.temperature = 1, .top_p = 0.8}, {}, {1 / 7., 4 / 7., 2 / 7., 0, 0});
  check_shares(exec, draws, logits, {.temperature = 1, .top_k = 2, .top_p = 0.66}, {},
               {0, 1, 0, 0, 0});  // 2/3 of what is left
  check_shares(exec, draws, logits, {.temperature = 1, .top_k = 2, .top_p = 0.67}, {}, {0, 2 / 3., 1 / 3., 0, 0});
  check_shares(exec, draws, logits, {.temperature = 1}, {1, -1}, {0.25, 0, 0.5, 0, 0.25});
  check_shares(exec, draws, logits, {.temperature = 1, .top_k = 2}, {-1, 0}, {0, 2 / 3., 1 / 3., 0, 0});
  check_shares(exec, draws, logits, {.temperature = 1}, {1, 2, 0}, {0, 0, 0, 0, 1});
  check_shares(exec, draws, logits, {}, {}, {0, 1, 0, 0, 0});
  check_shares(exec, draws, logits, {}, {1, 4}, {0, 0, 1, 0, 0});
  check_shares(exec, draws, {1000, 1001, 999}, {.temperature = 1e-300}, {}, {0, 1, 0});
}

/// Rows whose result is the same for every setting and every draw.
template <class Exec>
void check_kinds_of_rows(Exec& exec) {
  using real = typename Exec::real;
  const auto inf = static_cast<real>(infinity), nan = static_cast<real>(no_number);
  const rows_of<Exec> logits = {{0, 900, -900, 1, 0},        {-900, -inf, -inf, -inf, -inf},
                                {-inf, -inf, -inf, -inf, 5}, {0, nan, 0, 0, 0},
                                {0, 0, 0, 0, -nan},          {0, 0, inf, 0, 0},
                                {-inf, -inf, inf, nan, 0},   {-inf, -inf, -inf, -inf, -inf},
                                {900, nan, 0, 1, inf},       {3, 1, 2, 3, 3},
                                {-inf, 7, -inf, -inf, 7},    {0, 1, 2, 3, 4}};
  const std::vector<tokens> forbidden = {{-1, -1}, {1, 2},  {-1, 0}, {-1, -1}, {-1, 0}, {0, 1},
                                         {2, 4},   {-1, 1}, {1, 4},  {0, 3},   {4, -1}, {4, 3}};
  const tokens expected = {1, 0, 4, -1, -1, -1, -1, -1, 0, 4, 1, 2};
  for (const text_sampling& s : std::initializer_list<text_sampling>{
           text_sampling{}, text_sampling{.temperature = 1, .top_k = 1}, text_sampling{.temperature = 1, .top_p = 1e-6},
           text_sampling{.temperature = 2, .top_k = 1, .top_p = 0.5}, text_sampling{.temperature = 1e-3}})
    for (double u : std::initializer_list<double>{0x1p-24, 0.5, 1 - 0x1p-24})
      BOOST_TEST(draw(exec, logits, s, std::vector<double>(logits.size(), u), forbidden) == expected);

  // Of equal logits the lower token; both zeros are equal.
  for (const text_sampling& s :
       std::initializer_list<text_sampling>{text_sampling{}, text_sampling{.temperature = 1, .top_k = 1}})
    BOOST_TEST(draw(exec, {{1, 3, 3, 3}, {-1, -real{0}, real{0}, -2}, {-5, real{0}, -real{0}, -5}}, s,
                    {0.9, 0.9, 0.9}) == (tokens{1, 1, 1}));
}

template <class Exec>
void check_small_shapes(Exec& exec) {
  using real = typename Exec::real;
  for (const text_sampling& s : std::initializer_list<text_sampling>{text_sampling{}, text_sampling{.temperature = 1}})
    BOOST_TEST(draw(exec, {{3}, {static_cast<real>(-infinity)}, {static_cast<real>(no_number)}, {-3}}, s,
                    {0.1, 0.2, 0.3, 0.9}, {{-1}, {-1}, {-1}, {0}}) == (tokens{0, -1, -1, -1}));
  view<token_t, 1> none;
  exec.sample_tokens(none, {}, {.temperature = 1}, {}, {});
  exec.sample_tokens(none, {}, {}, {}, {});
}

/// Random rows, with ties, holes and forbidden tokens, against the definition. A draw within 1e-12 of a running sum
/// would not count; none of these is.
template <class Exec>
void check_random_rows(Exec& exec, index_t rows, index_t vocabulary, unsigned seed) {
  using real = typename Exec::real;
  std::mt19937 random(seed);
  const auto below = [&](index_t n) { return std::uniform_int_distribution<index_t>(0, n - 1)(random); };
  rows_of<Exec> logits(static_cast<std::size_t>(rows));
  std::vector<tokens> forbidden;
  std::vector<double> u;
  for (auto& row : logits) {
    const bool ties = below(2) == 0;
    for (index_t t = 0; t < vocabulary; ++t) {
      const double normal = 3 * std::normal_distribution<double>()(random);
      row.push_back(
          static_cast<real>(below(20) == 0 ? -infinity : static_cast<float>(ties ? std::round(normal) : normal)));
    }
    auto& never = forbidden.emplace_back();
    for (int f = 0; f < 3; ++f) never.push_back(static_cast<token_t>(below(vocabulary + 1) - 1));
    u.push_back(static_cast<double>(std::uniform_real_distribution<float>(0x1p-20f, 1 - 0x1p-20f)(random)));
  }
  for (const text_sampling& s : std::initializer_list<text_sampling>{
           text_sampling{}, text_sampling{.temperature = 1}, text_sampling{.temperature = 0.31, .top_p = 0.9},
           text_sampling{.temperature = 1.7, .top_k = 40},
           text_sampling{.temperature = 40, .top_k = 700, .top_p = 0.77}}) {
    const tokens found = draw(exec, logits, s, u, forbidden);
    index_t differ = 0, unclear = 0;
    for (std::size_t r = 0; r < logits.size(); ++r) {
      const expected_draw e = expect(logits[r], s, u[r], forbidden[r]);
      if (e.clear < 1e-12)
        ++unclear;
      else if (found[r] != e.token)
        ++differ;
    }
    BOOST_TEST(differ == 0,
               differ << " of " << rows << " rows of " << vocabulary << " at temperature " << s.temperature);
    BOOST_TEST(unclear == 0);
  }
}

/// How much of each check a policy is given.
struct amount {
  index_t draws, rows;
  std::vector<index_t> vocabularies;
  unsigned seed;
};

/// All of the definition.
template <class Exec>
void check_definition(const amount& much) {
  Exec exec;
  check_probabilities(exec, much.draws);
  check_kinds_of_rows(exec);
  check_small_shapes(exec);
  unsigned seed = much.seed;
  for (index_t vocabulary : much.vocabularies) check_random_rows(exec, much.rows, vocabulary, ++seed);
}

}  // namespace sampling_cases
