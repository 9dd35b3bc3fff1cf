// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE sequence_caption_dropout
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>

#include "transfusion/sequence/caption_dropout.hpp"

namespace tf = transfusion;

namespace {

tf::image picture(float value) { return {{1, 1, 1}, {value}}; }

bool same(const tf::document& a, const tf::document& b) {
  if (a.open_ended != b.open_ended || a.segments.size() != b.segments.size()) return false;
  for (std::size_t i = 0; i < a.segments.size(); ++i) {
    if (a.segments[i].index() != b.segments[i].index()) return false;
    if (const auto* t = std::get_if<tf::text>(&a.segments[i])) {
      if (t->tokens != std::get<tf::text>(b.segments[i]).tokens) return false;
    } else {
      const auto &x = std::get<tf::image>(a.segments[i]), &y = std::get<tf::image>(b.segments[i]);
      if (!(x.shape == y.shape) || x.values != y.values) return false;
    }
  }
  return true;
}

bool same(const std::vector<tf::document>& a, const std::vector<tf::document>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same(a[i], b[i])) return false;
  return true;
}

std::vector<tf::document> dropped(std::vector<tf::document> documents, double probability, tf::random_key key = {}) {
  tf::drop_captions(documents, probability, key);
  return documents;
}

tf::document bare(float value) {
  tf::document d{picture(value)};
  d.open_ended = true;
  return d;
}

}  // namespace

BOOST_AUTO_TEST_CASE(without_context_holds_the_image_alone_and_has_no_end) {
  BOOST_TEST(same(tf::without_context(picture(3)), bare(3)));
}

BOOST_AUTO_TEST_CASE(text_is_dropped_from_documents_of_both) {
  const std::vector<tf::document> all{
      {tf::text{{5}}, picture(1)}, {tf::text{{6}}}, {picture(2)}, {picture(3), tf::text{{7}}, picture(4)}};
  auto none = all, every = all, half = std::vector<tf::document>(1000, all[0]);
  tf::drop_text(none, 0, {});
  BOOST_TEST(same(none, all));
  tf::drop_text(every, 1, {});
  tf::document both{picture(3), picture(4)};
  both.open_ended = true;
  BOOST_TEST(same(every, {bare(1), all[1], all[2], both}));
  tf::drop_text(half, 0.5, {3, 4, tf::stream::dropout});
  const auto kept = std::count_if(half.begin(), half.end(), [](const auto& d) { return d.segments.size() == 2; });
  BOOST_TEST(std::abs(static_cast<double>(kept) - 500) < 60);
}

// An image of context stands before what is drawn, as a caption does.
BOOST_AUTO_TEST_CASE(images_of_context_are_dropped_like_captions) {
  auto shown = picture(1);
  shown.context = true;
  BOOST_TEST(same(dropped({{shown, tf::text{{5}}, picture(2)}}, 1), {bare(2)}));
  const std::vector<tf::document> read{{shown, tf::text{{5}}}};
  BOOST_TEST(same(dropped(read, 1), read));
}

BOOST_AUTO_TEST_CASE(without_text_holds_the_images_in_their_order_and_has_no_end) {
  tf::document d{tf::text{{5}}, picture(1), picture(2), tf::text{{6}}, picture(3)};
  d.prefix_segments = 2;
  tf::document expected{picture(1), picture(2), picture(3)};
  expected.open_ended = true;
  BOOST_TEST(same(tf::without_text(d), expected));
  BOOST_TEST(tf::without_text(d).prefix_segments == 1);
  BOOST_TEST(tf::without_text({tf::text{{5}}}).segments.empty());
}

BOOST_AUTO_TEST_CASE(a_caption_first_document_becomes_its_image_alone) {
  BOOST_TEST(same(dropped({{tf::text{{5}}, picture(1)}}, 1), {bare(1)}));
  BOOST_TEST(same(dropped({{tf::text{{5}}, picture(1), tf::text{{6}}}}, 1), {bare(1)}));
}

BOOST_AUTO_TEST_CASE(every_image_of_a_dropped_document_stays_as_a_document_of_its_own) {
  const std::vector<tf::document> documents = {{tf::text{{5}}, picture(1), tf::text{{6}}, picture(2), picture(3)},
                                               {tf::text{{7}}, picture(4)}};
  BOOST_TEST(same(dropped(documents, 1), {bare(1), bare(4), bare(2), bare(3)}));
}

BOOST_AUTO_TEST_CASE(documents_that_do_not_begin_with_a_caption_stay) {
  tf::document prompt{tf::text{{5}}};
  prompt.open_ended = true;
  const std::vector<tf::document> documents = {{picture(1), tf::text{{5}}},    {picture(2)}, {tf::text{{5}}},
                                               {tf::text{{5}}, tf::text{{6}}}, {},           prompt};
  BOOST_TEST(same(dropped(documents, 1), documents));
}

BOOST_AUTO_TEST_CASE(nothing_happens_at_probability_zero) {
  const std::vector<tf::document> documents(50, tf::document{tf::text{{5}}, picture(1)});
  BOOST_TEST(same(dropped(documents, 0), documents));
}

BOOST_AUTO_TEST_CASE(the_share_is_the_one_asked_for) {
  const std::vector<tf::document> documents(20000, tf::document{tf::text{{5}}, picture(1)});
  for (double probability : {0.1, 0.5, 0.9}) {
    double share = 0;
    for (const auto& d : dropped(documents, probability, {7, 3, tf::stream::dropout})) share += d.open_ended / 20000.0;
    BOOST_TEST(std::abs(share - probability) < 5 * std::sqrt(probability * (1 - probability) / 20000));
  }
}

BOOST_AUTO_TEST_CASE(what_is_dropped_is_a_pure_function_of_the_key_and_the_place) {
  const std::vector<tf::document> documents(200, tf::document{tf::text{{5}}, picture(1)});
  const tf::random_key key{7, 3, tf::stream::dropout};
  const auto once = dropped(documents, 0.5, key);
  BOOST_TEST(same(dropped(documents, 0.5, key), once));
  BOOST_TEST(!same(dropped(documents, 0.5, {7, 4, tf::stream::dropout}), once));
  BOOST_TEST(!same(dropped(documents, 0.5, {8, 3, tf::stream::dropout}), once));

  // What other documents are like makes no difference: each has its own number.
  auto mixed = documents;
  for (std::size_t i = 0; i < mixed.size(); i += 2) mixed[i] = {picture(2)};
  const auto found = dropped(mixed, 0.5, key);
  for (std::size_t i = 1; i < mixed.size(); i += 2) BOOST_TEST(same(found[i], once[i]));
}
