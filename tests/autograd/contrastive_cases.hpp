// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "transfusion/autograd/op/contrastive.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/testing/compare.hpp"

// The contrastive loss of given rows, on any policy.
namespace contrastive_cases {

using namespace transfusion;
using transfusion::testing::on_host;

/// The mean over both directions.
template <class Exec>
double total(Exec& exec, const contrastive_losses<Exec>& losses) {
  double sum = 0;
  for (const auto direction : {losses.images, losses.texts})
    for (const auto each : on_host(exec, direction)) sum += static_cast<double>(each);
  return sum / static_cast<double>(2 * losses.images.size());
}

/// The rows of a matrix with `cols` columns, row n of the result being row order[n].
inline std::vector<double> reordered(const std::vector<double>& rows, std::size_t cols,
                                     const std::vector<std::size_t>& order) {
  std::vector<double> result;
  for (const std::size_t n : order)
    result.insert(result.end(), rows.begin() + static_cast<std::ptrdiff_t>(n * cols),
                  rows.begin() + static_cast<std::ptrdiff_t>((n + 1) * cols));
  return result;
}

/// A variable [rows, cols] with these values, in the policy's type.
template <class Exec>
var<Exec> variable_of(tape<Exec>& t, const std::vector<double>& values, index_t rows) {
  using scalar = typename Exec::scalar;
  std::vector<scalar> own;
  for (const double v : values) own.push_back(static_cast<scalar>(static_cast<typename Exec::real>(v)));
  auto x = t.variable(rows, static_cast<index_t>(values.size()) / rows);
  t.exec().upload(x.value().data, own.data(), own.size() * sizeof(scalar));
  return x;
}

/// What a contrastive loss and its way back leave: the loss of each row, then the gradients of images, texts and
/// factor. A learnt factor of a half has a part in the scale.
template <class Exec>
std::vector<std::vector<double>> contrastive_pass(const std::vector<double>& images, const std::vector<double>& texts,
                                                  index_t pairs, double scale) {
  Exec exec;
  tape<Exec> t(exec);
  const index_t cols = static_cast<index_t>(images.size()) / pairs;
  const auto x = variable_of(t, images, pairs), y = variable_of(t, texts, pairs);
  const view<typename Exec::scalar, 2> gradients[] = {t.saved(pairs, cols), t.saved(pairs, cols)};
  t.on_backward([=](auto& tape) {
    tape.exec().copy(gradients[0].flat(), tape.gradient(x).flat());
    tape.exec().copy(gradients[1].flat(), tape.gradient(y).flat());
  });
  parameter_set<Exec> set;
  const auto factor = set.declare("factor", {1, 1}, {.constant = 0.5});
  set.allocate(exec, 1);
  set.allocate_gradients();
  const auto losses = contrastive_loss(t, x, y, 2 * scale, factor);
  t.backward();
  std::vector<std::vector<double>> all;
  const auto keep = [&](const auto& found) {
    auto& numbers = all.emplace_back();
    for (const auto v : found) numbers.push_back(static_cast<double>(static_cast<typename Exec::real>(v)));
  };
  for (const auto each : {losses.images, losses.texts}) keep(on_host(exec, each));
  for (const auto& each : gradients) keep(on_host(exec, each));
  keep(on_host(exec, factor.gradient()));
  return all;
}

inline std::vector<double> normal_numbers(index_t count, std::uint64_t seed) {
  reference_exec<double> exec;
  std::vector<double> numbers(static_cast<std::size_t>(count));
  exec.normal(view<double, 1>(numbers.data(), count), {seed, 0, stream::test}, 1.0);
  return numbers;
}

}  // namespace contrastive_cases
