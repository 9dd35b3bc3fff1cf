// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_visibility
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>

#include "model/small_model.hpp"
#include "support/policies.hpp"

using namespace small_model;

namespace {

/// Which rows of a batch change, in any bit, when one of its inputs does.
template <class Variant, class Exec>
class probe {
 public:
  explicit probe(const std::vector<document>& docs) : model_(exec_, config<Variant>(), 1), batch_(model_.pack(docs)) {
    shake(model_);
    before_ = hidden(batch_);
  }

  const packed_batch& batch() const { return batch_; }

  std::vector<bool> changed_by_token(index_t row) {
    packed_batch other = batch_;
    token_t& token = other.tokens[static_cast<std::size_t>(row)];
    BOOST_REQUIRE(token != ignored);
    token = token == 11 ? 12 : 11;
    return changed(other);
  }
  /// Changes one value of one patch (values of an image lie channel by channel, patches are 2 x 2).
  std::vector<bool> changed_by_patch(index_t image, index_t patch) {
    packed_batch other = batch_;
    const image_place& place = batch_.images[static_cast<std::size_t>(image)];
    const index_t across = place.shape.width / 2;
    const index_t value = place.first_value + patch / across * 2 * place.shape.width + patch % across * 2;
    other.values[static_cast<std::size_t>(value)] += 1;
    return changed(other);
  }
  std::vector<bool> changed_by_time(index_t image) {
    times_ = {image, 0.7};
    const auto result = changed(batch_);
    times_ = {-1, 0};
    return result;
  }

 private:
  using scalar = typename Exec::scalar;

  std::vector<bool> changed(const packed_batch& batch) {
    const auto after = hidden(batch);
    const std::size_t width = static_cast<std::size_t>(model_.config().width);
    std::vector<bool> rows;
    for (std::size_t n = 0; n < after.size() / width; ++n)
      rows.push_back(std::memcmp(&after[n * width], &before_[n * width], width * sizeof(scalar)) != 0);
    return rows;
  }

  std::vector<scalar> hidden(const packed_batch& batch) {
    tape<Exec> tape(exec_, recording::off);
    const std::vector<scalar> values(batch.values.begin(), batch.values.end());
    auto plan = model_.clean(batch);
    if (times_.first >= 0) plan.levels[static_cast<std::size_t>(times_.first)].time = times_.second;
    const auto in = model_.inputs(tape, batch, tape.upload(values), plan);
    return on_host(exec_, model_.forward(tape, in).hidden.value());
  }

  Exec exec_;
  model<Variant, Exec> model_;
  packed_batch batch_;
  std::vector<scalar> before_;
  std::pair<index_t, double> times_{-1, 0};
};

/// Row q changes if and only if sees(q).
template <class Sees>
void expect(const std::vector<bool>& changed, const std::string& what, Sees sees) {
  for (std::size_t q = 0; q < changed.size(); ++q)
    BOOST_CHECK_MESSAGE(changed[q] == sees(static_cast<index_t>(q)),
                        what << ": row " << q << (changed[q] ? " changed" : " did not change"));
}

}  // namespace

// Each input in turn: rows see it if and only if the paper's mask says so. So an image never sees a later token, text
// never sees a later image, BOI and EOI are causal, the patches of an image see each other, and documents never meet.
BOOST_AUTO_TEST_CASE_TEMPLATE(the_papers_mask, Exec, test_support::policies) {
  probe<paper, Exec> p(documents());
  const span_table& table = p.batch().table;
  const auto sees = [&](index_t q, index_t k) {
    if (table.document(q) != table.document(k)) return false;
    return k <= q || (table.span_of(q) && table.span_of(q) == table.span_of(k));
  };
  for (index_t k = 0; k < p.batch().rows(); ++k)
    if (!table.span_of(k))
      expect(p.changed_by_token(k), "token " + std::to_string(k), [&](index_t q) { return sees(q, k); });
  for (const span& s : table.spans()) {
    for (index_t patch = 0; patch < s.end - s.begin; ++patch)
      expect(p.changed_by_patch(s.image, patch),
             "patch " + std::to_string(patch) + " of image " + std::to_string(s.image),
             [&](index_t q) { return sees(q, s.begin + patch); });
    expect(p.changed_by_time(s.image), "time of image " + std::to_string(s.image),
           [&](index_t q) { return sees(q, s.begin); });
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_causal_mask, Exec, test_support::policies) {
  probe<causal_only, Exec> p(documents());
  const span_table& table = p.batch().table;
  const auto sees = [&](index_t q, index_t k) { return table.document(q) == table.document(k) && k <= q; };
  for (index_t k = 0; k < p.batch().rows(); ++k)
    if (!table.span_of(k))
      expect(p.changed_by_token(k), "token " + std::to_string(k), [&](index_t q) { return sees(q, k); });
  for (const span& s : table.spans())
    for (index_t patch = 0; patch < s.end - s.begin; ++patch)
      expect(p.changed_by_patch(s.image, patch),
             "patch " + std::to_string(patch) + " of image " + std::to_string(s.image),
             [&](index_t q) { return sees(q, s.begin + patch); });
}

namespace {

/// Long enough for several tiles of keys and rows, with images across their borders.
std::vector<document> long_documents() {
  std::vector<token_t> words;
  for (int i = 0; i < 150; ++i) words.push_back(static_cast<token_t>(4 + i % 9));
  return {{text{words}, drawn_image(20, 22, 8), text{words}, drawn_image(12, 12, 9), text{words}},
          {drawn_image(24, 24, 10), text{words}},
          {text{words}, drawn_image(8, 8, 11), text{words}}};
}

}  // namespace

// The same over several hundred rows, where kernels cut rows and keys into tiles.
BOOST_AUTO_TEST_CASE_TEMPLATE(long_sequences, Exec, test_support::policies) {
  probe<paper, Exec> p(long_documents());
  const span_table& table = p.batch().table;
  BOOST_TEST(table.rows() > 800);
  const auto sees = [&](index_t q, index_t k) {
    if (table.document(q) != table.document(k)) return false;
    return k <= q || (table.span_of(q) && table.span_of(q) == table.span_of(k));
  };
  for (const index_t k : {index_t{0}, index_t{151}, table.spans()[0].end, table.spans()[1].begin - 1,
                          table.document_end(0) - 1, table.document_end(0), table.rows() - 1})
    expect(p.changed_by_token(k), "token " + std::to_string(k), [&](index_t q) { return sees(q, k); });
  for (const span& s : table.spans())
    for (const index_t patch : {index_t{0}, s.end - s.begin - 1})
      expect(p.changed_by_patch(s.image, patch),
             "patch " + std::to_string(patch) + " of image " + std::to_string(s.image),
             [&](index_t q) { return sees(q, s.begin + patch); });
}

// In training: no loss of a document changes with another document.
BOOST_AUTO_TEST_CASE_TEMPLATE(predictions_of_packed_documents, Exec, test_support::policies) {
  Exec exec;
  model<paper, Exec> m(exec, config(), 1);
  shake(m);
  const auto losses_of = [&](const std::vector<document>& docs) {
    const auto batch = m.pack(docs);
    tape<Exec> tape(exec, recording::off);
    const auto losses = m.loss(tape, batch, m.plan_noise(batch, step_key));
    return std::pair{on_host(exec, losses.terms[0].each), on_host(exec, losses.terms[1].each)};
  };
  auto docs = documents();
  const auto [text_before, image_before] = losses_of(docs);
  std::get<text>(docs[1].segments[1]).tokens = {9, 9, 9, 9};  // another text of the same length
  std::get<image>(docs[1].segments[0]).values[7] += 2;
  const auto [text_after, image_after] = losses_of(docs);
  const auto batch = m.pack(docs);
  for (std::size_t i = 0; i < text_before.size(); ++i)
    if (batch.table.document(batch.text_rows[i]) != 1) BOOST_TEST(text_before[i] == text_after[i]);
  for (const span& s : batch.table.spans()) {
    const auto i = static_cast<std::size_t>(s.image);
    BOOST_TEST((image_before[i] == image_after[i]) == (s.document != 1));
  }
}
