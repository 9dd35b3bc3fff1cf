// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE metric_likelihood
#include <boost/test/unit_test.hpp>
#include <numeric>

#include "support/policies.hpp"
#include "transfusion/metric/likelihood.hpp"

namespace tf = transfusion;

namespace {

using test_support::policies;

template <class Exec>
constexpr double tolerance = sizeof(typename Exec::scalar) == 8 ? 1e-11 : 1e-4;

const tf::model_config<tf::paper> sizes{.layers = 2, .width = 16, .heads = 2, .vocabulary = 11};

tf::image picture(tf::index_t height, tf::index_t width, float phase) {
  tf::image im{{1, height, width}, {}};
  for (tf::index_t i = 0; i < im.shape.size(); ++i) im.values.push_back(std::sin(phase + 0.7f * static_cast<float>(i)));
  return im;
}

/// Large weights, so that the probabilities are far from equal.
template <class Exec>
struct fixture {
  Exec exec;
  tf::model<tf::paper, Exec> model{exec, sizes, 5};

  fixture() {
    model.parameters().each([&](auto p) {
      if (p.name() == "embedding" || p.name() == "head") exec.normal(p.master(), {5, 0, tf::stream::test}, 0.7);
    });
  }

  std::vector<double> of(const std::vector<tf::document>& documents, tf::index_t rows_at_once = 4096) {
    return tf::text_log_likelihood(model, documents, rows_at_once);
  }
};

/// The text rows of one document, one softmax after another on the host.
template <class Exec>
double by_hand(const tf::model<tf::paper, Exec>& model, const tf::document& d) {
  using scalar = typename Exec::scalar;
  tf::tape<Exec> tape(model.exec(), tf::recording::off);
  const tf::packed_batch batch = model.pack({d});
  const std::vector<scalar> values(batch.values.begin(), batch.values.end());
  const auto in = model.inputs(tape, batch, tape.upload(values), model.clean(batch));
  const auto logits = model.logits(tape, model.forward(tape, in).hidden.value());
  double sum = 0;
  for (tf::index_t n = 0; n < batch.rows(); ++n) {
    const tf::token_t target = batch.targets[static_cast<std::size_t>(n)];
    if (target == tf::ignored) continue;
    double z = 0;
    for (tf::index_t v = 0; v < logits.cols(); ++v) z += std::exp(static_cast<double>(logits(n, v)));
    sum += static_cast<double>(logits(n, target)) - std::log(z);
  }
  return sum;
}

std::vector<tf::document> mixed() {
  tf::document prompt{tf::text{{8, 9}}};
  prompt.open_ended = true;
  return {{picture(4, 4, 0), tf::text{{5, 6, 7}}},
          {tf::text{{9}}, picture(2, 6, 1), tf::text{{10}}, picture(4, 2, 2)},
          {tf::text{{4, 4, 4, 4, 4, 4}}},
          prompt,
          {picture(4, 4, 0), tf::text{{7}}}};
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(documents_together_equal_each_worked_out_by_hand, Exec, policies) {
  fixture<Exec> f;
  const auto documents = mixed();
  const auto found = f.of(documents);
  BOOST_REQUIRE(found.size() == documents.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    BOOST_TEST_CONTEXT("document " << i)
    BOOST_TEST(std::abs(found[i] - by_hand(f.model, documents[i])) < tolerance<Exec> * std::abs(found[i]));
    BOOST_TEST(found[i] < 0);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_size_of_a_pass_does_not_matter, Exec, policies) {
  fixture<Exec> f;
  const auto whole = f.of(mixed());
  for (tf::index_t rows : {1, 7, 9, 20})
    for (std::size_t i = 0; i < whole.size(); ++i)
      BOOST_TEST(std::abs(f.of(mixed(), rows)[i] - whole[i]) < tolerance<Exec> * std::abs(whole[i]));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(probabilities_of_all_next_tokens_add_up_to_one, Exec, policies) {
  fixture<Exec> f;
  std::vector<tf::document> all;
  for (tf::token_t t = 0; t < sizes.vocabulary; ++t) {
    // BOS is followed by the image's BOI in all of them: that factor is taken out below.
    all.push_back({picture(4, 4, 0.5f), tf::text{{t}}});
    all.back().open_ended = true;
  }
  tf::document alone{picture(4, 4, 0.5f)};
  alone.open_ended = true;
  all.push_back(alone);
  const auto found = f.of(all);
  double sum = 0;
  for (std::size_t i = 0; i + 1 < all.size(); ++i) sum += std::exp(found[i] - found.back());
  BOOST_TEST(std::abs(sum - 1) < tolerance<Exec>);
}

BOOST_AUTO_TEST_CASE(captions_depend_on_the_image_they_follow) {
  fixture<tf::reference_exec<double>> f;
  const auto found = f.of({{picture(4, 4, 0), tf::text{{5}}}, {picture(4, 4, 2), tf::text{{5}}}});
  BOOST_TEST(std::abs(found[0] - found[1]) > 1e-8);
}

BOOST_AUTO_TEST_CASE(a_document_without_targets_has_likelihood_one) {
  fixture<tf::reference_exec<double>> f;
  tf::document empty;
  empty.open_ended = true;
  BOOST_TEST(f.of({empty, empty}) == std::vector<double>({0, 0}), boost::test_tools::per_element());
  BOOST_TEST(f.of({}).empty());
}

BOOST_AUTO_TEST_CASE(the_model_is_left_as_it_was) {
  fixture<tf::reference_exec<double>> f;
  const auto values = f.model.parameters().values();
  const std::vector<double> before(values.data, values.data + values.size());
  f.of(mixed());
  BOOST_TEST(std::equal(before.begin(), before.end(), values.data));
  BOOST_TEST(!f.model.parameters().gradients());
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused) {
  fixture<tf::reference_exec<double>> f;
  BOOST_CHECK_THROW(f.of(mixed(), 0), tf::config_error);
  BOOST_CHECK_THROW(f.of({{tf::text{{11}}}}), tf::shape_error);
  BOOST_CHECK_THROW(f.of({{picture(3, 4, 0)}}), tf::shape_error);
}
