// SPDX-License-Identifier: Apache-2.0
#include "text_pairs/support/measures.hpp"

#include <cmath>
#include <numbers>

#include "transfusion/metric/ranked.hpp"

namespace text_pairs {
namespace tf = transfusion;

namespace {

double sum_of(const std::vector<double>& values, const std::vector<index_t>& chosen) {
  double sum = 0;
  for (const index_t i : chosen) sum += values[static_cast<std::size_t>(i)];
  return sum;
}

const result* find(std::span<const result> results, const std::string& data, std::uint64_t seed) {
  for (const result& r : results)
    if (r.data == data && r.seed == seed) return &r;
  return nullptr;
}

std::vector<const result*> all_of(std::span<const result> results, const std::string& data) {
  std::vector<const result*> found;
  for (const result& r : results)
    if (r.data == data) found.push_back(&r);
  tf::require<tf::config_error>(!found.empty(), "results: found none of ", data, ", expected one at least");
  return found;
}

}  // namespace

double perplexity(const result& r, const std::vector<index_t>& passages) {
  return tf::perplexity(sum_of(r.log_likelihoods, passages), std::llround(sum_of(r.targets, passages)));
}

double bits_per_byte(const result& r, const std::vector<index_t>& passages) {
  return -sum_of(r.log_likelihoods, passages) / std::numbers::ln2 / sum_of(r.bytes, passages);
}

tf::bootstrap_result measured(std::span<const result> results, const std::string& data, text_measure of) {
  const auto runs = all_of(results, data);
  return tf::bootstrap(std::ssize(runs.front()->bytes), [&](const std::vector<index_t>& passages) {
    double sum = 0;
    for (const result* r : runs) sum += of(*r, passages);
    return sum / static_cast<double>(runs.size());
  });
}

tf::bootstrap_result difference(std::span<const result> results, text_measure of) {
  const auto mixtures = all_of(results, "mixture");
  std::vector<const result*> alone;
  for (const result* r : mixtures) {
    alone.push_back(find(results, "text", r->seed));
    tf::require<tf::config_error>(alone.back() != nullptr, "results: found no text-", r->seed, " beside ", r->name());
  }
  return tf::bootstrap(std::ssize(mixtures.front()->bytes), [&](const std::vector<index_t>& passages) {
    double sum = 0;
    for (std::size_t i = 0; i < mixtures.size(); ++i) sum += of(*mixtures[i], passages) - of(*alone[i], passages);
    return sum / static_cast<double>(mixtures.size());
  });
}

tf::bootstrap_result denoising(std::span<const result> results) {
  const auto runs = all_of(results, "mixture");
  return tf::bootstrap(std::ssize(runs.front()->denoising), [&](const std::vector<index_t>& pairs) {
    double sum = 0;
    for (const result* r : runs) sum += sum_of(r->denoising, pairs);
    return sum / static_cast<double>(runs.size() * pairs.size());
  });
}

std::string direction(const tf::bootstrap_result& d) {
  if (d.low > 0) return "the paper's direction";
  return d.high < 0 ? "the other direction" : "not told from none";
}

}  // namespace text_pairs
