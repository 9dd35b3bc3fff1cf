// SPDX-License-Identifier: Apache-2.0
// The code of docs/metrics.md, compiled and used. tests/docs/snippets_test.cpp compares the text.
#define BOOST_TEST_MODULE docs_metrics
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>

#include "support/temporary_folder.hpp"
#include "transfusion/exec/reference.hpp"

// snippet: captions
#include <transfusion/metric/bootstrap.hpp>
#include <transfusion/metric/cider.hpp>

namespace tf = transfusion;

using words = std::vector<std::string>;

/// CIDEr-D of one caption an image, and how far it can be trusted.
tf::bootstrap_result caption_score(const std::vector<words>& captions,
                                   const std::vector<std::vector<words>>& references) {
  return tf::bootstrap_mean(tf::cider_d(captions, references).each, {.resamples = 2000, .confidence = 0.95});
}
// end of snippet

// snippet: perplexity
#include <transfusion/metric/likelihood.hpp>
#include <transfusion/metric/ranked.hpp>

/// Perplexity of held-out documents. The documents are what varies: tokens of one document depend on each other.
template <class Model>
tf::bootstrap_result held_out_perplexity(Model& model, const std::vector<tf::document>& documents) {
  const std::vector<double> likelihoods = tf::text_log_likelihood(model, documents);
  std::vector<tf::index_t> targets;
  for (const tf::document& d : documents) targets.push_back(tf::text_target_count(model, d));
  return tf::bootstrap(std::ssize(documents), [&](const std::vector<tf::index_t>& chosen) {
    double likelihood = 0;
    tf::index_t count = 0;
    for (const auto i : chosen) {
      likelihood += likelihoods[static_cast<std::size_t>(i)];
      count += targets[static_cast<std::size_t>(i)];
    }
    return tf::perplexity(likelihood, count);
  });
}
// end of snippet

// snippet: ranked
struct question {
  tf::text stem;
  std::vector<tf::text> answers;
  tf::index_t correct = 0;
};

/// The answers' likelihoods after the stem, the end of the document included.
template <class Model>
tf::ranked_item ranked(Model& model, const question& q) {
  tf::document stem{q.stem};
  stem.open_ended = true;
  std::vector<tf::document> documents = {stem};
  for (const tf::text& a : q.answers) documents.push_back({q.stem, a});
  const std::vector<double> likelihoods = tf::text_log_likelihood(model, documents);
  tf::ranked_item item{.options = {}, .correct = q.correct};
  for (std::size_t i = 0; i < q.answers.size(); ++i)
    item.options.push_back({likelihoods[i + 1] - likelihoods[0], std::ssize(q.answers[i].tokens) + 1});
  return item;
}

/// Accuracy by the likelihood a token.
template <class Model>
tf::bootstrap_result accuracy(Model& model, const std::vector<question>& questions) {
  std::vector<tf::ranked_item> items;
  for (const question& q : questions) items.push_back(ranked(model, q));
  return tf::bootstrap_mean(tf::ranked_accuracy(items, tf::rank_by::mean_over_length).right);
}
// end of snippet

// snippet: frechet
#include <transfusion/metric/frechet_file.hpp>

using features = tf::view<const float, 2>;  // [pictures, width], of whatever network

/// The reference's statistics are taken once, in parts, and kept.
void keep_reference(const std::string& path, const std::vector<features>& parts) {
  tf::frechet_statistics all(parts.at(0).cols());
  for (const features& part : parts) {
    tf::frechet_statistics of_part(part.cols());  // may run on a thread of its own
    of_part.add(part);
    all.merge(of_part);
  }
  tf::save_frechet_statistics(path, all, {{"features", "which network, which layer"}});
}

double distance_to_reference(const std::string& path, features drawn) {
  const auto reference = tf::load_frechet_statistics(path, drawn.cols());
  tf::frechet_statistics ours(drawn.cols());
  ours.add(drawn);
  return tf::frechet_distance(reference, ours);
}
// end of snippet

// snippet: similarity
#include <transfusion/metric/similarity.hpp>

/// How well pictures fit their prompts, from the embeddings [N, F] of both: 100 · cos, and how often a picture is
/// nearest to its own prompt.
std::pair<tf::bootstrap_result, tf::bootstrap_result> fit(features pictures, features prompts) {
  return {tf::bootstrap_mean(tf::paired_similarity(pictures, prompts).each),
          tf::bootstrap_mean(tf::retrieval_recall(pictures, prompts).each)};
}
// end of snippet

// snippet: difference
/// How much better the second of two models is on the same items: both are measured on each resample, so that what is
/// hard for both does not widen the interval.
tf::bootstrap_result improvement(const std::vector<double>& first, const std::vector<double>& second) {
  tf::require_extent("improvement: scores of the second model", std::ssize(second), std::ssize(first));
  std::vector<double> gains;
  for (std::size_t i = 0; i < first.size(); ++i) gains.push_back(second[i] - first[i]);
  return tf::bootstrap_mean(gains);
}
// end of snippet

namespace {

using exec_type = tf::reference_exec<double>;

struct small {
  exec_type exec;
  tf::model<tf::paper, exec_type> model{exec, {.layers = 1, .width = 16, .heads = 2, .vocabulary = 11}, 5};

  small() {
    model.parameters().each([&](auto p) {
      if (p.name() == "embedding" || p.name() == "head") exec.normal(p.master(), {5, 0, tf::stream::test}, 0.7);
    });
  }
};

std::vector<float> normals(std::size_t count, unsigned seed, float shift = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(shift);
  std::vector<float> x(count);
  for (float& v : x) v = normal(random);
  return x;
}

features rows(const std::vector<float>& x, tf::index_t width) {
  return {x.data(), static_cast<tf::index_t>(x.size()) / width, width};
}

bool holds(const tf::bootstrap_result& r) { return r.low <= r.value && r.value <= r.high && r.low < r.high; }

}  // namespace

BOOST_AUTO_TEST_CASE(captions_have_a_score_and_an_interval) {
  const std::vector<words> captions = {{"a", "dog"}, {"a", "cat"}, {"a", "red", "bus"}};
  const std::vector<std::vector<words>> references = {{{"a", "dog"}}, {{"the", "dog"}}, {{"a", "bus"}}};
  const auto r = caption_score(captions, references);
  BOOST_TEST(r.value == tf::cider_d(captions, references).mean);
  BOOST_TEST(holds(r));
}

BOOST_AUTO_TEST_CASE(perplexity_is_that_of_all_documents_together) {
  small s;
  const std::vector<tf::document> documents = {{tf::text{{5, 6}}}, {tf::text{{7}}}, {tf::text{{8, 9, 10}}}};
  const auto r = held_out_perplexity(s.model, documents);
  double nats = 0;
  for (const double l : tf::text_log_likelihood(s.model, documents)) nats -= l;
  BOOST_TEST(r.value == std::exp(nats / 9), boost::test_tools::tolerance(1e-12));  // 6 words and 3 ends
  BOOST_TEST(holds(r));
}

BOOST_AUTO_TEST_CASE(answers_of_one_token_are_ranked_by_their_likelihood) {
  small s;
  question q{.stem = {{5, 6}}, .answers = {}};
  for (tf::token_t t = 4; t < 11; ++t) q.answers.push_back({{t}});
  const auto item = ranked(s.model, q);
  double sum = 0;
  for (const auto& o : item.options) {
    BOOST_TEST(o.length == 2);
    sum += std::exp(o.log_likelihood);
  }
  BOOST_TEST((sum > 0 && sum < 1));  // shares of what may follow the stem
  const tf::index_t best = tf::ranked_accuracy({item}).chosen[0];
  question wrong = q;
  q.correct = best;
  wrong.correct = (best + 1) % std::ssize(q.answers);
  const auto r = accuracy(s.model, {q, q, wrong, q});
  BOOST_TEST(r.value == 0.75);
  BOOST_TEST(holds(r));
}

BOOST_AUTO_TEST_CASE(a_reference_of_parts_is_kept_and_compared_with) {
  const test_support::folder folder;
  const auto a = normals(600, 1), b = normals(900, 2), far = normals(1500, 3, 2);
  keep_reference(folder / "reference", {rows(a, 3), rows(b, 3)});
  // Each of three features lies 2 away.
  BOOST_TEST(std::abs(distance_to_reference(folder / "reference", rows(far, 3)) - 12) < 1.5);
  BOOST_TEST(distance_to_reference(folder / "reference", rows(a, 3)) < 0.1);
  BOOST_CHECK_THROW(distance_to_reference(folder / "reference", rows(a, 2)), tf::format_error);
}

BOOST_AUTO_TEST_CASE(pictures_fit_their_prompts_or_not) {
  const auto pictures = normals(400, 4), others = normals(400, 5);
  const auto [similarity, recall] = fit(rows(pictures, 8), rows(pictures, 8));
  BOOST_TEST(std::abs(similarity.value - 100) < 1e-9);
  BOOST_TEST(recall.value == 1);
  const auto [chance, recalled] = fit(rows(pictures, 8), rows(others, 8));
  BOOST_TEST(holds(chance));
  BOOST_TEST((chance.low < 0 && chance.high > 0));
  BOOST_TEST(recalled.value < 0.2);
}

BOOST_AUTO_TEST_CASE(differences_of_pairs_are_surer_than_each) {
  const auto hard = normals(200, 6), noise = normals(200, 7);
  std::vector<double> first, second;
  for (std::size_t i = 0; i < hard.size(); ++i) {
    first.push_back(5 * double{hard[i]});
    second.push_back(first[i] + 0.5 + 0.2 * double{noise[i]});
  }
  const auto r = improvement(first, second);
  BOOST_TEST((r.low > 0.4 && r.high < 0.6));
  BOOST_TEST(10 * r.standard_error < tf::bootstrap_mean(first).standard_error);
}
