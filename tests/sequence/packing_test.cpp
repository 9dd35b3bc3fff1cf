// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE sequence_packing
#include <boost/test/unit_test.hpp>
#include <string>

#include "transfusion/codec/linear_patch.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/sequence/packed_batch.hpp"
#include "transfusion/sequence/position.hpp"

namespace tf = transfusion;
using tf::ignored;
using tf::token_t;
using tokens = std::vector<token_t>;

namespace {

constexpr token_t bos = 0, eos = 1, boi = 2, eoi = 3;

/// An image of one channel, its values counted from `first`.
tf::image picture(tf::index_t height, tf::index_t width, float first = 0) {
  tf::image im{{1, height, width}, {}};
  for (tf::index_t i = 0; i < im.shape.size(); ++i) im.values.push_back(first + static_cast<float>(i));
  return im;
}

tf::patch_grid two_by_two(tf::image_shape s, tf::index_t) { return tf::codec::linear_patch::grid(s, {}); }

tf::packed_batch pack(const std::vector<tf::document>& documents, tf::marker_tokens markers = {}) {
  return tf::pack(documents, {markers.bos, markers.eos, {{markers.boi, markers.eoi}}}, two_by_two);
}

tf::document open_ended(tf::document d) {
  d.open_ended = true;
  return d;
}

void check_rows(const tf::packed_batch& batch, const tokens& expected_tokens, const tokens& expected_targets) {
  BOOST_TEST(batch.tokens == expected_tokens, boost::test_tools::per_element());
  BOOST_TEST(batch.targets == expected_targets, boost::test_tools::per_element());
  BOOST_TEST(batch.rows() == static_cast<tf::index_t>(expected_tokens.size()));
  BOOST_TEST(batch.table.rows() == batch.rows());
  tokens with_target;
  for (std::size_t n = 0; n < expected_targets.size(); ++n)
    if (expected_targets[n] != ignored) with_target.push_back(static_cast<token_t>(n));
  BOOST_TEST(batch.text_rows == with_target, boost::test_tools::per_element());
  BOOST_TEST(batch.text_targets() == static_cast<tf::index_t>(with_target.size()));
}

}  // namespace

// input :  BOS t1 t2 BOI p1 p2 EOI u1 u2 EOS
// target:  t1  t2 BOI –  –  –  u1  u2 EOS –      (paper.md §1.6)
BOOST_AUTO_TEST_CASE(targets_follow_the_paper) {
  const auto batch = pack({{tf::text{{10, 11}}, picture(2, 4), tf::text{{12, 13}}}});
  check_rows(batch, {bos, 10, 11, boi, ignored, ignored, eoi, 12, 13, eos},
             {10, 11, boi, ignored, ignored, ignored, 12, 13, eos, ignored});
  BOOST_TEST(batch.modalities[0].patch_rows == tokens({4, 5}), boost::test_tools::per_element());
  BOOST_TEST(batch.modalities[0].patch_image == tokens({0, 0}), boost::test_tools::per_element());
  BOOST_TEST(batch.image_count() == 1);
  BOOST_TEST(batch.patches() == 2);
}

BOOST_AUTO_TEST_CASE(an_image_first_document_asks_for_its_image_and_ends_after_its_caption) {
  check_rows(pack({{picture(2, 2), tf::text{{10}}}}), {bos, boi, ignored, eoi, 10, eos},
             {boi, ignored, ignored, 10, eos, ignored});
}

BOOST_AUTO_TEST_CASE(an_image_at_the_end_is_followed_by_eos) {
  check_rows(pack({{tf::text{{10}}, picture(2, 2)}}), {bos, 10, boi, ignored, eoi, eos},
             {10, boi, ignored, ignored, eos, ignored});
}

BOOST_AUTO_TEST_CASE(images_side_by_side_ask_for_each_other) {
  const auto batch = pack({{picture(2, 2), picture(2, 4, 100)}});
  check_rows(batch, {bos, boi, ignored, eoi, boi, ignored, ignored, eoi, eos},
             {boi, ignored, ignored, boi, ignored, ignored, ignored, eos, ignored});
  BOOST_TEST(batch.modalities[0].patch_image == tokens({0, 1, 1}), boost::test_tools::per_element());
}

// Rows of a prefix that see each other would copy what they are asked for; the last of them does not see what follows.
BOOST_AUTO_TEST_CASE(a_prefix_both_ways_teaches_nothing_inside) {
  tf::document d{tf::text{{5, 6, 7}}, tf::text{{8, 9}}};
  d.prefix_segments = 1;
  tf::packing_rules rules{bos, eos, {{boi, eoi}}};
  rules.prefix_both_ways = true;
  check_rows(tf::pack({d, d}, rules, two_by_two), {bos, 5, 6, 7, 8, 9, eos, bos, 5, 6, 7, 8, 9, eos},
             {ignored, ignored, ignored, 8, 9, eos, ignored, ignored, ignored, ignored, 8, 9, eos, ignored});
  check_rows(pack({d}), {bos, 5, 6, 7, 8, 9, eos}, {5, 6, 7, 8, 9, eos, ignored});
  d.prefix_segments = 3;
  BOOST_CHECK_EXCEPTION(pack({{tf::text{{5}}}, d}), tf::shape_error, [](const tf::shape_error& e) {
    return std::string(e.what()) == "document 1: prefix_segments: found 3, expected 0 to 2";
  });
}

BOOST_AUTO_TEST_CASE(an_open_end_teaches_nothing_there) {
  check_rows(pack({open_ended({tf::text{{10, 11}}})}), {bos, 10, 11}, {10, 11, ignored});
  check_rows(pack({open_ended({tf::text{{10}}, picture(2, 2)})}), {bos, 10, boi, ignored, eoi},
             {10, boi, ignored, ignored, ignored});
  check_rows(pack({open_ended({})}), {bos}, {ignored});
}

BOOST_AUTO_TEST_CASE(an_open_end_learns_nothing_of_the_next_document) {
  check_rows(pack({open_ended({tf::text{{10}}}), {tf::text{{11}}}}), {bos, 10, bos, 11, eos},
             {10, ignored, 11, eos, ignored});
}

BOOST_AUTO_TEST_CASE(no_target_crosses_from_one_document_to_the_next) {
  check_rows(pack({{tf::text{{10}}}, {tf::text{{11}}}}), {bos, 10, eos, bos, 11, eos},
             {10, eos, ignored, 11, eos, ignored});
  tf::marker_tokens bare;
  bare.bos = bare.eos = ignored;
  check_rows(pack({{tf::text{{10, 11}}}, {tf::text{{12, 13}}}, {picture(2, 2)}, {tf::text{{14}}}}, bare),
             {10, 11, 12, 13, boi, ignored, eoi, 14}, {11, ignored, 13, ignored, ignored, ignored, ignored, ignored});
}

BOOST_AUTO_TEST_CASE(bos_and_eos_may_be_absent_alone) {
  tf::marker_tokens no_bos, no_eos;
  no_bos.bos = ignored;
  no_eos.eos = ignored;
  const tf::document d{picture(2, 2), tf::text{{10}}};
  check_rows(pack({d}, no_bos), {boi, ignored, eoi, 10, eos}, {ignored, ignored, 10, eos, ignored});
  check_rows(pack({d}, no_eos), {bos, boi, ignored, eoi, 10}, {boi, ignored, ignored, 10, ignored});
}

BOOST_AUTO_TEST_CASE(markers_are_those_asked_for) {
  check_rows(pack({{tf::text{{1}}, picture(2, 2)}}, {.bos = 20, .eos = 21, .boi = 22, .eoi = 23}),
             {20, 1, 22, ignored, 23, 21}, {1, 22, ignored, ignored, 21, ignored});
}

BOOST_AUTO_TEST_CASE(neighbouring_and_empty_texts_are_one_run) {
  check_rows(pack({{tf::text{{10}}, tf::text{}, tf::text{{11}}}}), {bos, 10, 11, eos}, {10, 11, eos, ignored});
}

BOOST_AUTO_TEST_CASE(an_empty_document_is_bos_and_eos) { check_rows(pack({{}}), {bos, eos}, {eos, ignored}); }

BOOST_AUTO_TEST_CASE(an_empty_prompt_of_a_model_without_bos_is_no_row) {
  tf::marker_tokens no_bos;
  no_bos.bos = ignored;
  check_rows(pack({open_ended({})}, no_bos), {}, {});
  check_rows(pack({open_ended({}), {tf::text{{10}}}}, no_bos), {10, eos}, {eos, ignored});
}

BOOST_AUTO_TEST_CASE(no_documents_are_no_rows) {
  const auto batch = pack({});
  check_rows(batch, {}, {});
  BOOST_TEST(batch.table.documents() == 0);
}

BOOST_AUTO_TEST_CASE(images_keep_their_shapes_values_and_places) {
  const auto batch = pack({{picture(4, 4), tf::text{{10}}, picture(2, 6, 100)}, {picture(4, 2, 200), tf::text{{11}}}});
  BOOST_REQUIRE(batch.image_count() == 3);
  const tf::index_t values[] = {0, 16, 28}, patches[] = {0, 4, 7};
  const tf::image_shape shapes[] = {{1, 4, 4}, {1, 2, 6}, {1, 4, 2}};
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_TEST(batch.images[i].first_value == values[i]);
    BOOST_TEST(batch.images[i].first_patch == patches[i]);
    BOOST_TEST((batch.images[i].shape == shapes[i]));
  }
  BOOST_REQUIRE(batch.values.size() == 36u);
  BOOST_TEST(batch.values[15] == 15.f);
  BOOST_TEST(batch.values[16] == 100.f);
  BOOST_TEST(batch.values[28] == 200.f);
  // BOS BOI 4 EOI 10 BOI 3 EOI EOS | BOS BOI 2 EOI 11 EOS
  BOOST_TEST(batch.modalities[0].patch_rows == tokens({2, 3, 4, 5, 9, 10, 11, 16, 17}),
             boost::test_tools::per_element());
  BOOST_TEST(batch.modalities[0].patch_image == tokens({0, 0, 0, 0, 1, 1, 1, 2, 2}), boost::test_tools::per_element());

  const auto& spans = batch.table.spans();
  BOOST_REQUIRE(spans.size() == 3u);
  const tf::index_t begins[] = {2, 9, 16}, ends[] = {6, 12, 18}, rows[] = {2, 1, 2}, cols[] = {2, 3, 1};
  const tf::index_t documents[] = {0, 0, 1};
  const bool leads[] = {true, false, true};
  for (std::size_t i = 0; i < 3; ++i) {
    BOOST_TEST(spans[i].begin == begins[i]);
    BOOST_TEST(spans[i].end == ends[i]);
    BOOST_TEST(spans[i].rows == rows[i]);
    BOOST_TEST(spans[i].cols == cols[i]);
    BOOST_TEST(spans[i].image == static_cast<tf::index_t>(i));
    BOOST_TEST(spans[i].document == documents[i]);
    BOOST_TEST(spans[i].leads == leads[i]);
  }
}

// §3: patches are read left to right, top to bottom. The codec cuts an image in the order of its rows on the token
// axis.
BOOST_AUTO_TEST_CASE(patches_stand_in_raster_order) {
  const auto batch = pack({{picture(4, 6)}});
  tf::reference_exec<double> exec;
  tf::tape<tf::reference_exec<double>> tape(exec);
  const auto values = tape.upload(std::vector<double>(batch.values.begin(), batch.values.end()));
  const auto patches = tape.saved(batch.patches(), 4);
  exec.patchify(patches, values, tape.upload(batch.images), {2, 2});
  for (tf::index_t row = 0; row < 2; ++row)
    for (tf::index_t col = 0; col < 3; ++col) {
      const double top_left = static_cast<double>(row * 2 * 6 + col * 2);
      const double expected[] = {top_left, top_left + 1, top_left + 6, top_left + 7};
      for (tf::index_t i = 0; i < 4; ++i) BOOST_TEST(patches(row * 3 + col, i) == expected[i]);
    }
}

BOOST_AUTO_TEST_CASE(an_image_leads_where_its_text_comes_after_it_and_none_before) {
  const auto leads = [](const tf::document& d) {
    const auto batch = pack({d});
    std::string s;
    for (const auto& span : batch.table.spans()) s += span.leads ? '1' : '0';
    return s;
  };
  BOOST_TEST(leads({picture(2, 2), picture(2, 2), tf::text{{10}}, picture(2, 2)}) == "110");
  BOOST_TEST(leads({picture(2, 2), tf::text{{10}}}) == "1");
  BOOST_TEST(leads({picture(2, 2)}) == "0");  // without words it is not read but drawn
  BOOST_TEST(leads({tf::text{{10}}, picture(2, 2)}) == "0");
  BOOST_TEST(leads({tf::text{}, picture(2, 2), tf::text{{10}}}) == "1");
  BOOST_TEST(leads({picture(2, 2), tf::text{}}) == "0");
  // Each document counts for itself.
  const auto batch = pack({{tf::text{{10}}, picture(2, 2)}, {picture(2, 2), tf::text{{10}}}});
  BOOST_TEST(!batch.table.spans()[0].leads);
  BOOST_TEST(batch.table.spans()[1].leads);
}

BOOST_AUTO_TEST_CASE(positions_are_counted_through_each_document) {
  const auto batch = pack({{tf::text{{10}}, picture(2, 4), tf::text{{11}}}, {tf::text{{12}}}});
  const tf::index_t expected[] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2};
  for (tf::index_t q = 0; q < batch.rows(); ++q)
    BOOST_TEST(tf::position::sequential{}.at(q, batch.table) == expected[q]);
}

BOOST_AUTO_TEST_CASE(bad_input_is_refused_by_name) {
  const auto says = [](const tf::document& d, const std::string& word) {
    BOOST_CHECK_EXCEPTION(pack({{tf::text{{10}}}, d}), tf::shape_error, [&](const tf::shape_error& e) {
      BOOST_TEST_MESSAGE(e.what());
      return std::string(e.what()).find(word) != std::string::npos;
    });
  };
  says({tf::text{{10, -5}}}, "document 1: token -5");
  tf::image short_of_values = picture(2, 2);
  short_of_values.values.pop_back();
  says({short_of_values}, "found 3, expected 4");
  says({picture(3, 2)}, "3 x 2");
  says({tf::image{{2, 2, 2}, std::vector<float>(8)}}, "image channels: found 2, expected 1");
  says({tf::image{{1, 0, 2}, {}}}, "0 x 2");
}
