// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE generate_cache
#include <boost/test/unit_test.hpp>

#include "support/policies.hpp"
#include "support/toy.hpp"
#include "transfusion/generate/cached_pass.hpp"

namespace tf = transfusion;
using namespace test_support;

namespace {

/// Of the values of a hidden row or of a prediction, which are of order 1.
template <class Exec>
constexpr double tolerance = sizeof(typename Exec::scalar) == 8 ? 1e-12 : 2e-5;

/// BOS t t BOI 2×2 EOI t BOI 1×3 EOI t t: two images of different grids.
tf::document story() {
  tf::document d{tf::text{{5, 6}}, toy_image(0), tf::text{{7}}, toy_image(3, 2, 6), tf::text{{8, 9}}};
  d.open_ended = true;
  return d;
}

template <class Variant, class Exec>
struct fixture {
  using scalar = typename Exec::scalar;
  using model_type = tf::model<Variant, Exec>;
  struct rows {
    std::vector<scalar> hidden, prediction;
  };

  Exec exec;
  model_type model;
  tf::packed_batch batch;
  tf::tape<Exec> tape{exec, tf::recording::off};
  tf::kv_cache<Exec> cache;
  tf::detail::cached_sequence sequence;

  /// The sequence stands between two others, whose slots hold no numbers.
  fixture()
      : model(exec, sizes(), 1),
        batch(model.pack({story()})),
        cache(exec, model.config().layers, batch.rows() + 20,
              model.config().kv_heads * (model.config().width / model.config().heads)) {
    stir(model, 4);
    sequence.table = batch.table;
    sequence.first_slot = 10;
    sequence.capacity = batch.rows();
    for (tf::index_t layer = 0; layer < model.config().layers; ++layer)
      for (auto part : {cache.layers()[layer].keys, cache.layers()[layer].values}) {
        exec.fill(part.slice(0, 10).flat(), std::nan(""));
        exec.fill(part.slice(10 + batch.rows(), part.rows()).flat(), std::nan(""));
      }
  }
  static tf::model_config<Variant> sizes() {
    tf::model_config<Variant> c{.layers = 2, .width = 16, .heads = 4, .vocabulary = 10};
    c.kv_heads = 2;
    return c;
  }

  tf::view<const scalar, 1> upload(const std::vector<float>& values) {
    return tape.upload(std::vector<scalar>(values.begin(), values.end()));
  }
  rows copy(const typename model_type::outputs& out) {
    return {host_copy<scalar>(exec, out.hidden.value().flat()),
            out.prediction ? host_copy<scalar>(exec, out.prediction.value().flat()) : std::vector<scalar>{}};
  }
  rows uncached(const std::vector<tf::noise_level>& levels) {
    tape.reset();
    const auto in = model.inputs(tape, batch, upload(batch.values), {levels, {}, 0});
    return copy(model.forward(tape, in));
  }

  /// One pass of rows [begin, end), their images at these levels.
  rows cached(tf::index_t begin, tf::index_t end, const std::vector<tf::noise_level>& levels) {
    tape.reset();
    tf::detail::cached_pass<model_type> pass(model);
    std::vector<float> values;
    for (tf::index_t q = begin; q < end;) {
      const tf::span* where = batch.table.span_of(q);
      if (!where) {
        pass.add_token(sequence, q, batch.tokens[static_cast<std::size_t>(q)]);
        ++q;
        continue;
      }
      const auto number = static_cast<std::size_t>(where->image);
      const tf::image_place place = batch.images[number];
      pass.add_image(sequence, *where, place.shape, levels[number]);
      values.insert(values.end(), batch.values.begin() + place.first_value,
                    batch.values.begin() + place.first_value + place.shape.size());
      q = where->end;
    }
    return copy(pass.run(tape, cache, upload(values)));
  }

  /// The hidden rows of a cached pass against those of the whole document.
  void check(const rows& found, const rows& whole, tf::index_t begin, tf::index_t end) {
    const auto width = model.config().width;
    const std::vector<scalar> expected(whole.hidden.begin() + begin * width, whole.hidden.begin() + end * width);
    BOOST_TEST(distance(found.hidden, expected) < tolerance<Exec>, "rows " << begin << " to " << end);
  }
};

template <class Variant, class Exec>
void check_all() {
  fixture<Variant, Exec> f;
  const auto clean = tf::model<Variant, Exec>::clean_level;
  const auto level = [](double t) { return tf::level_at(tf::schedule::cosine{}, t); };
  const std::vector<tf::noise_level> read = {clean, clean};
  const auto whole = f.uncached(read);
  const auto spans = f.batch.table.spans();

  // A prompt in one pass, then BOI; the image at two noise levels, then clean with EOI; then token by token.
  f.check(f.cached(0, spans[0].begin - 1, read), whole, 0, spans[0].begin - 1);
  f.check(f.cached(spans[0].begin - 1, spans[0].begin, read), whole, spans[0].begin - 1, spans[0].begin);
  for (double t : {0.9, 0.3}) {
    const auto noisy = f.uncached({level(t), clean});
    const auto found = f.cached(spans[0].begin, spans[0].end, {level(t), clean});
    f.check(found, noisy, spans[0].begin, spans[0].end);
    const std::vector<typename Exec::scalar> first(noisy.prediction.begin(), noisy.prediction.begin() + 16);
    BOOST_TEST(distance(found.prediction, first) < tolerance<Exec>);
  }
  f.check(f.cached(spans[0].begin, spans[0].end + 1, read), whole, spans[0].begin, spans[0].end + 1);
  for (tf::index_t q = spans[0].end + 1; q < spans[1].begin; ++q) f.check(f.cached(q, q + 1, read), whole, q, q + 1);

  // The second image at a level of its own sees the first one clean.
  const auto noisy = f.uncached({clean, level(0.6)});
  const auto found = f.cached(spans[1].begin, spans[1].end, {clean, level(0.6)});
  f.check(found, noisy, spans[1].begin, spans[1].end);
  const std::vector<typename Exec::scalar> second(noisy.prediction.begin() + 16, noisy.prediction.end());
  BOOST_TEST(distance(found.prediction, second) < tolerance<Exec>);
  f.check(f.cached(spans[1].begin, f.batch.rows(), read), whole, spans[1].begin, f.batch.rows());

  // All in one pass is the same again.
  f.check(f.cached(0, f.batch.rows(), read), whole, 0, f.batch.rows());
}

struct causal_only : tf::paper {
  using mask = tf::mask::causal;
};

/// BOS sees itself, every other row its image and the two rows before: two intervals a row, one of them empty.
struct near_rows {
  tf::two_key_intervals keys(tf::index_t q, const tf::span_table& table) const {
    const tf::index_t begin = table.document_begin(q);
    return {tf::key_interval::of(begin, q == begin ? q + 1 : begin),
            tf::key_interval::of(std::max(begin + 1, q - 2), q == begin ? begin + 1 : table.span_end(q))};
  }
};
struct two_intervals : tf::paper {
  using mask = near_rows;
};

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(cached_rows_are_those_of_the_whole_document, Exec, policies) {
  check_all<tf::paper, Exec>();
}
BOOST_AUTO_TEST_CASE_TEMPLATE(so_they_are_under_a_causal_mask, Exec, policies) { check_all<causal_only, Exec>(); }
BOOST_AUTO_TEST_CASE_TEMPLATE(so_they_are_under_a_mask_of_two_intervals, Exec, policies) {
  check_all<two_intervals, Exec>();
}
