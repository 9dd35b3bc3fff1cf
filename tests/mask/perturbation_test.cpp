// SPDX-License-Identifier: Apache-2.0
// What a mask hides has no influence: the key and the value of one row change, and exactly the rows that may see it do.
#define BOOST_TEST_MODULE mask_perturbation
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <tuple>

#include "mask/formulas.hpp"
#include "support/policies.hpp"
#include "transfusion/autograd/tape.hpp"

using namespace mask_tests;

namespace {

constexpr tf::attention_shape shape{.heads = 2, .kv_heads = 1, .head_width = 4, .scale = 0.5};

template <class Exec>
class probe {
 public:
  using scalar = typename Exec::scalar;

  template <class Mask>
  probe(Exec& exec, const Mask& m, const tf::span_table& table, std::mt19937& random)
      : exec_(exec), rows_(table.rows()), intervals_(mask::intervals_per_row<Mask>) {
    mask::lower(m, table, 0, rows_, 0, keys_);
    for (auto* x : {&q_, &k_, &v_})
      for (tf::index_t i = 0; i < rows_ * (x == &q_ ? 2 : 1) * shape.head_width; ++i)
        x->push_back(static_cast<scalar>(std::normal_distribution<float>()(random)));
    before_ = outputs();
  }

  /// Which rows change, in any bit, when what stands in row n does.
  std::vector<bool> changed_by(tf::index_t n) {
    const auto k = k_, v = v_;
    for (tf::index_t c = n * shape.head_width; c < (n + 1) * shape.head_width; ++c) {
      k_[static_cast<std::size_t>(c)] += scalar{1};
      v_[static_cast<std::size_t>(c)] -= scalar{1};
    }
    const auto after = outputs();
    k_ = k, v_ = v;
    const std::size_t width = 2 * static_cast<std::size_t>(shape.head_width);
    std::vector<bool> changed;
    for (std::size_t i = 0; i < after.size(); i += width)
      changed.push_back(std::memcmp(&after[i], &before_[i], width * sizeof(scalar)) != 0);
    return changed;
  }

 private:
  std::vector<scalar> outputs() {
    tf::tape<Exec> tape(exec_, tf::recording::off);
    const auto upload = [&](const std::vector<scalar>& x) {
      return tf::view<const scalar, 2>(tape.upload(x).data, rows_, static_cast<tf::index_t>(x.size()) / rows_);
    };
    const tf::key_intervals keys(tape.upload(keys_).data, rows_, intervals_);
    const auto o = tape.saved(rows_, 2 * shape.head_width), lse = tape.saved(rows_, shape.heads);
    exec_.attention(o, lse, upload(q_), upload(k_), upload(v_), keys, shape);
    std::vector<scalar> host(static_cast<std::size_t>(o.size()));
    exec_.download(host.data(), o.data, host.size() * sizeof(scalar));
    return host;
  }

  Exec& exec_;
  tf::index_t rows_, intervals_;
  std::vector<tf::key_interval> keys_;
  std::vector<scalar> q_, k_, v_, before_;
};

template <class Mask, class Exec>
void check(Exec& exec) {
  for (unsigned seed = 0; seed < 4; ++seed) {
    std::mt19937 random(seed);
    const tf::span_table table = random_table<Mask>(random);
    const dense_mask sees = written_out<Mask>(table);
    probe<Exec> p(exec, Mask{}, table, random);
    for (tf::index_t k = 0; k < table.rows(); ++k) {
      const auto changed = p.changed_by(k);
      for (std::size_t q = 0; q < changed.size(); ++q)
        BOOST_CHECK_MESSAGE(changed[q] == sees[q][static_cast<std::size_t>(k)],
                            tf::policy_name<Mask>() << ", seed " << seed << ", key " << k << ": row " << q
                                                    << (changed[q] ? " changed" : " did not change"));
    }
  }
}

using masks =
    std::tuple<mask::intra_image, mask::prefix<>, mask::sliding_window<mask::intra_image, 3>, mask::noised_hidden,
               mask::sliding_window<mask::noised_hidden, 3>, mask::both<mask::noised_hidden, mask::causal>,
               mask::either<mask::sliding_window<mask::intra_image, 2>, document_start<2>>>;

template <class Exec, class... Masks>
void check_all(Exec& exec, std::tuple<Masks...>) {
  (check<Masks>(exec), ...);
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(rows_change_with_what_they_see_and_with_nothing_else, Exec, test_support::policies) {
  Exec exec;
  check_all(exec, masks{});
}

// The same for whole documents: no mask that is made of those here sees another one.
BOOST_AUTO_TEST_CASE_TEMPLATE(documents_never_meet, Exec, test_support::policies) {
  Exec exec;
  std::mt19937 random(5);
  tf::span_table table;
  for (int d = 0; d < 3; ++d) {
    table.begin_document();
    table.append_text(3);
    table.end_prefix();
    table.append_span(2, 2, d, false);
    table.append_text(2);
  }
  using mask_type = mask::either<mask::prefix<mask::bidirectional>, mask::sliding_window<mask::bidirectional, 100>>;
  probe<Exec> p(exec, mask_type{}, table, random);
  for (tf::index_t k = 0; k < table.rows(); ++k) {
    const auto changed = p.changed_by(k);
    for (tf::index_t q = 0; q < table.rows(); ++q)
      BOOST_TEST(changed[static_cast<std::size_t>(q)] == (table.document(q) == table.document(k)));
  }
}
