// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE train_token_mixture
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <string>

#include "transfusion/core/philox.hpp"
#include "transfusion/sequence/packed_rows.hpp"
#include "transfusion/train/token_mixture.hpp"

namespace tf = transfusion;
using tf::index_t;
using tf::token_t;

namespace {

/// Document n of a text source is n, then its places: a token tells where it is from.
constexpr token_t first_word = 10, words_each = 1000;

tf::patch_grid pixels(tf::image_shape s, index_t) { return {s.height, s.width, s.depth}; }

tf::packing_rules rules() { return {0, 1, {{2, 3}}}; }

/// As long as chance says, 1 to `longest` tokens.
index_t length_of(std::uint64_t seed, index_t number, index_t longest) {
  const tf::random_key key{seed, 0, tf::stream::test};
  return 1 + key.below(static_cast<std::uint64_t>(number), longest);
}

tf::text words(index_t number, index_t count) {
  tf::text t;
  for (index_t i = 0; i < count; ++i) t.tokens.push_back(first_word + static_cast<token_t>(number * words_each + i));
  return t;
}

tf::document_source text_source(index_t longest, double share = 1, std::uint64_t seed = 1) {
  return {"text", [=](index_t n) { return tf::document{words(n, length_of(seed, n, longest))}; }, {}, share};
}

tf::image picture(index_t height, index_t width) {
  return {{1, height, width}, std::vector<float>(static_cast<std::size_t>(height * width), 0.5F)};
}

/// Captions of 1 to 9 words and pictures of 3 to 24 pixels, every fifth picture first.
tf::document_source pair_source(double share = 1) {
  const auto make = [](index_t n) {
    tf::text caption = words(n, length_of(2, n, 9));
    tf::image shown = picture(3, length_of(3, n, 8));
    return n % 5 == 4 ? tf::document{shown, caption} : tf::document{caption, shown};
  };
  const auto outline = [make](index_t n) {
    tf::document d = make(n);
    for (tf::segment& s : d.segments)
      if (auto* im = std::get_if<tf::image>(&s)) im->values.clear();
    return d;
  };
  return {"pairs", make, outline, share};
}
constexpr index_t longest_pair = 9 + 24 + 4;

tf::token_mixture one_to_one(index_t budget, index_t longest_text = 300) {
  return {{text_source(longest_text), pair_source()}, budget, rules(), pixels};
}

/// What the first `steps` batches hold of a source, put together again: document by document, its tokens in order.
std::vector<std::vector<token_t>> read_back(tf::token_mixture& mixture, std::size_t source, index_t steps) {
  std::vector<std::vector<token_t>> documents;
  for (index_t step = 0; step < steps; ++step) {
    const auto made = mixture(step);
    const auto parts = mixture.plan(step).parts;
    BOOST_REQUIRE(made.size() == parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].source != source) continue;
      BOOST_REQUIRE(parts[i].number <= std::ssize(documents));
      if (parts[i].number == std::ssize(documents)) documents.emplace_back();
      for (const tf::segment& s : made[i].segments)
        if (const auto* t = std::get_if<tf::text>(&s))
          documents.back().insert(documents.back().end(), t->tokens.begin(), t->tokens.end());
    }
  }
  return documents;
}

template <class F>
void refused(F f, const std::string& expected) {
  BOOST_CHECK_EXCEPTION(f(), tf::config_error, [&](const tf::config_error& fault) {
    BOOST_TEST_MESSAGE(fault.what());
    return std::string(fault.what()).find(expected) != std::string::npos;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(rows_are_counted_as_packing_makes_them) {
  tf::image context = picture(2, 2);
  context.context = true;
  tf::image codes = picture(1, 4);
  codes.modality = 1;
  codes.values = {0, 1, 2, 3};
  tf::document prompt{words(1, 3)};
  prompt.open_ended = true;
  const std::vector<tf::document> documents = {
      {},    {words(0, 7)}, {words(0, 3), picture(2, 3)}, {picture(1, 1), words(2, 2), context}, {codes, words(0, 1)},
      prompt};
  tf::packing_rules with_lead{0, 1, {{2, 3}, {4, 5, 6, 4}}, 1}, copies = with_lead, bare = with_lead;
  copies.clean_copies = true;
  bare.bos = bare.eos = tf::ignored;
  for (const auto& r : {with_lead, copies, bare})
    for (const tf::document& d : documents)
      BOOST_TEST(tf::packed_rows(d, r, pixels) == tf::pack({d}, r, pixels).rows());
  codes.modality = 2;
  BOOST_CHECK_THROW(tf::packed_rows({codes}, with_lead, pixels), tf::shape_error);
}

BOOST_AUTO_TEST_CASE(a_piece_of_text_ends_as_the_whole_where_it_ends_the_whole) {
  tf::document d{tf::text{{5, 6, 7}}, tf::text{}, tf::text{{8, 9}}};
  const auto tokens = [&](index_t begin, index_t end) {
    return std::get<tf::text>(tf::text_piece(d, begin, end).segments.at(0)).tokens;
  };
  BOOST_TEST(tokens(0, 5) == (std::vector<token_t>{5, 6, 7, 8, 9}));
  BOOST_TEST(tokens(2, 4) == (std::vector<token_t>{7, 8}));
  BOOST_TEST(tokens(3, 5) == (std::vector<token_t>{8, 9}));
  BOOST_TEST(tf::text_piece(d, 0, 4).open_ended);
  BOOST_TEST(!tf::text_piece(d, 3, 5).open_ended);
  d.open_ended = true;
  BOOST_TEST(tf::text_piece(d, 3, 5).open_ended);
  BOOST_TEST(tf::is_plain_text(d));
  d.prefix_segments = 1;
  BOOST_TEST(!tf::is_plain_text(d));
  BOOST_TEST(!tf::is_plain_text({words(0, 1), picture(1, 1)}));
}

BOOST_AUTO_TEST_CASE(the_budget_is_never_exceeded_and_rows_are_what_packing_makes) {
  for (const index_t budget : {40, 64, 100, 257, 1024}) {
    auto mixture = one_to_one(budget);
    for (index_t step = 0; step < 60; ++step) {
      const auto plan = mixture.plan(step);
      const index_t rows = tf::pack(mixture(step), rules(), pixels).rows();
      BOOST_TEST(rows <= budget);
      BOOST_TEST(rows == plan.rows[0] + plan.rows[1]);
    }
  }
}

// Nothing lost, nothing twice: put together, the batches are the sources' documents in their order.
BOOST_AUTO_TEST_CASE(each_token_comes_once_and_in_its_order_whatever_the_budget) {
  for (const index_t budget : {40, 64, 100, 257}) {
    auto mixture = one_to_one(budget);
    const tf::document_source sources[] = {text_source(300), pair_source()};
    for (const std::size_t s : {std::size_t{0}, std::size_t{1}}) {
      auto found = read_back(mixture, s, 80);
      BOOST_REQUIRE(found.size() > 5u);
      if (s == 0) found.pop_back();  // the batches end in the middle of it
      for (std::size_t n = 0; n < found.size(); ++n) {
        std::vector<token_t> expected;
        for (const tf::segment& part : sources[s].make(static_cast<index_t>(n)).segments)
          if (const auto* t = std::get_if<tf::text>(&part)) expected = t->tokens;
        BOOST_TEST(found[n] == expected, "budget " << budget << ", source " << s << ", document " << n);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(images_are_never_cut_and_every_last_piece_has_a_token_before_its_end) {
  auto mixture = one_to_one(50);
  for (index_t step = 0; step < 200; ++step)
    for (const tf::document& d : mixture(step)) {
      BOOST_TEST(tf::text_tokens(d) > 0);
      const bool is_pair = d.segments.size() == 2;
      BOOST_TEST((is_pair || tf::is_plain_text(d)));
      BOOST_TEST((!is_pair || !d.open_ended));
    }
}

BOOST_AUTO_TEST_CASE(shares_are_kept_within_the_longest_document_at_every_step) {
  for (const double text_share : {1.0, 3.0, 0.25})
    for (const index_t budget : {64, 100, 1024}) {
      tf::token_mixture mixture({text_source(500, text_share), pair_source()}, budget, rules(), pixels);
      double text = 0, pairs = 0;
      for (index_t step = 0; step < 150; ++step) {
        text += static_cast<double>(mixture.plan(step).rows[0]);
        pairs += static_cast<double>(mixture.plan(step).rows[1]);
        const double due = text_share / (1 + text_share) * (text + pairs);
        BOOST_TEST(std::abs(text - due) <= longest_pair,
                   "share " << text_share << ", budget " << budget << ", step " << step << ": " << text - due);
      }
    }
}

// A share that the budget cannot hold beside whole documents is kept all the same: batches are left partly empty.
BOOST_AUTO_TEST_CASE(shares_come_before_the_fill) {
  const tf::document_source large{"large", [](index_t) { return tf::document{words(0, 2), picture(6, 9)}; }, {}, 9};
  tf::token_mixture mixture({text_source(500), large}, 100, rules(), pixels);
  const auto t = mixture.totals(200);
  BOOST_TEST(std::abs(static_cast<double>(t.rows[0]) - 0.1 * static_cast<double>(t.rows[0] + t.rows[1])) <= 60);
  BOOST_TEST(t.fill > 0.6);
  BOOST_TEST(t.fill < 0.8);
}

BOOST_AUTO_TEST_CASE(three_sources_are_mixed_as_well) {
  tf::token_mixture mixture({text_source(80, 2), pair_source(), text_source(700, 1, 9)}, 300, rules(), pixels);
  const auto t = mixture.totals(100);
  const double all = static_cast<double>(t.rows[0] + t.rows[1] + t.rows[2]);
  BOOST_TEST(std::abs(static_cast<double>(t.rows[0]) - all / 2) <= longest_pair);
  BOOST_TEST(std::abs(static_cast<double>(t.rows[1]) - all / 4) <= longest_pair);
  BOOST_TEST(std::abs(static_cast<double>(t.rows[2]) - all / 4) <= longest_pair);
}

BOOST_AUTO_TEST_CASE(text_fills_batches_and_pairs_alone_fill_them_but_for_a_pair) {
  BOOST_TEST(one_to_one(512).totals(50).fill > 0.995);
  tf::token_mixture text({text_source(300)}, 512, rules(), pixels);
  BOOST_TEST(text.totals(50).fill > 0.995);
  tf::token_mixture pairs({pair_source()}, 512, rules(), pixels);
  const auto t = pairs.totals(50);
  BOOST_TEST(t.fill > 1 - longest_pair / 512.0);
  BOOST_TEST(t.fill < 1.0);
  BOOST_TEST(t.fill == static_cast<double>(t.rows[0]) / (50 * 512.0));
}

// The text of a mixture is the text of a run without pairs: only where it is cut differs.
BOOST_AUTO_TEST_CASE(a_source_keeps_its_order_beside_others) {
  tf::token_mixture alone({text_source(300)}, 256, rules(), pixels);
  auto both = one_to_one(512);
  const auto one = read_back(alone, 0, 40), other = read_back(both, 0, 40);
  BOOST_REQUIRE(std::min(one.size(), other.size()) > 20u);
  for (std::size_t n = 0; n + 1 < std::min(one.size(), other.size()); ++n) BOOST_TEST(one[n] == other[n]);
}

BOOST_AUTO_TEST_CASE(a_resumed_run_reads_what_the_uninterrupted_one_would_have_read) {
  auto whole = one_to_one(200);
  std::map<index_t, tf::mixture_batch> plans;
  std::map<index_t, std::vector<token_t>> tokens;
  for (index_t step = 0; step < 50; ++step) {
    plans[step] = whole.plan(step);
    tokens[step] = tf::pack(whole(step), rules(), pixels).tokens;
  }
  for (const index_t step : {49, 7, 0, 31, 32, 31}) {  // also backwards, and a step again
    auto resumed = one_to_one(200);
    BOOST_TEST((resumed.plan(step) == plans[step]));
    BOOST_TEST((whole.plan(step) == plans[step]));
    BOOST_TEST(tf::pack(whole(step), rules(), pixels).tokens == tokens[step]);
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_mixed_is_refused) {
  const auto mixture = [](std::vector<tf::document_source> sources, index_t budget) {
    return tf::token_mixture(std::move(sources), budget, rules(), pixels);
  };
  refused([&] { mixture({}, 10); }, "found no sources");
  refused([&] { mixture({text_source(5)}, 0); }, "budget: found 0 rows");
  refused([&] { mixture({text_source(5, 0)}, 10); }, "source \"text\": share: found 0");
  refused([&] { mixture({{"none", {}, {}, 1}}, 10); }, "source \"none\": found no `make`");
  refused([&] { mixture({text_source(5)}, 10).plan(-1); }, "step: found -1");
  refused([&] { mixture({text_source(500)}, 1).plan(0); }, "budget: found 1 rows");
  const tf::document_source large{"photos", [](index_t) { return tf::document{words(0, 1), picture(10, 10)}; }};
  refused(
      [&] {
        mixture({text_source(5), large}, 99).plan(0);
      },
      "source \"photos\", document 0: found 105 rows that are not to be cut, expected at most the budget of 99");
}

BOOST_AUTO_TEST_CASE(a_fault_leaves_no_half_batch_behind) {
  const auto make = [fails = std::make_shared<bool>(false)](index_t n) {
    if (n == 9 && !std::exchange(*fails, true)) throw tf::io_error("gone");
    return tf::document{words(n, 20)};
  };
  tf::token_mixture mixture({{"text", make, {}, 1}}, 50, rules(), pixels),
      sound({{"text", make, {}, 1}}, 50, rules(), pixels);
  BOOST_CHECK_THROW(mixture.plan(6), tf::io_error);
  BOOST_TEST((mixture.plan(6) == sound.plan(6)));
}
