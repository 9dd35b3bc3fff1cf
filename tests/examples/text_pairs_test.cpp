// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_text_pairs
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "files.hpp"
#include "text_pairs/support/measures.hpp"
#include "text_pairs/support/report.hpp"
#include "text_pairs/support/run.hpp"
#include "text_pairs/support/sentencepiece.hpp"
#include "text_pairs/support/utf8.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/sequence/packed_rows.hpp"

using namespace text_pairs;
using files::check_throws;
namespace tt = boost::test_tools;

namespace {

/// Passages of a few sentences in which words come again.
std::vector<passage> sentences(index_t count) {
  const char* words[] = {"the", "ark", "of", "gopher", "wood", "and", "rain", "forty", "days", "was", "upon", "earth"};
  std::vector<passage> all;
  for (index_t i = 0; i < count; ++i) {
    const tf::random_key key{3, static_cast<std::uint32_t>(i), tf::stream::test};
    std::string text;
    for (std::uint64_t n = 0; n < 60; ++n) text += std::string(words[key.below(n, 12)]) + (n % 12 == 11 ? ".\n" : " ");
    all.push_back({"p" + std::to_string(i), text});
  }
  return all;
}

settings tiny(const fs::path& out) {
  settings s;
  s.device.threads = 1;
  s.out = out.string();
  s.steps = 3;
  s.text_rows = 128;
  s.layers = 1;
  s.width = 8;
  s.heads = 2;
  s.read = 500;
  s.read_pairs = 3;
  s.image_steps = 2;
  return s;
}

material of(const corpus& c, const settings& s) { return {c, s.make_tokenizer(c), s}; }

result made(const std::string& data, std::uint64_t seed, std::vector<double> likelihoods) {
  result r;
  r.data = data;
  r.seed = seed;
  r.log_likelihoods = std::move(likelihoods);
  r.targets = {10, 20, 30};
  r.bytes = {20, 40, 60};
  r.losses = {3, 2};
  if (data == "mixture") r.denoising = {0.1, 0.2};
  r.settings = {{"tokenizer", {{"kind", "bytes"}}}, {"text_rows", 128}};
  return r;
}

/// Bytes under another name: the tokenizer of some other model.
class foreign_bytes final : public support::vocabulary {
 public:
  index_t size() const override { return bytes_.size(); }
  std::vector<support::token_t> encode(std::string_view t, support::unknown_words rule) const override {
    return bytes_.encode(t, rule);
  }
  std::string decode(std::span<const support::token_t> t) const override { return bytes_.decode(t); }
  std::string name(support::token_t t) const override { return bytes_.name(t); }
  std::string to_json() const override { return "{\"kind\":\"foreign\"}"; }

 private:
  support::byte_vocabulary bytes_;
};

settings parsed(std::vector<std::string> given) {
  settings s;
  CLI::App app("", "text_pairs");
  s.add_to(app);
  std::reverse(given.begin(), given.end());
  app.parse(std::move(given));
  return s;
}

}  // namespace

BOOST_AUTO_TEST_CASE(verses_become_chapters) {
  const auto found = chapters("Ge1:1 In the beginning\nGe1:2 And the earth\n1Jn2:1 My little: children\n");
  BOOST_REQUIRE(found.size() == 2u);
  BOOST_TEST(found[0].origin == "Ge1");
  BOOST_TEST(found[0].text == "In the beginning\nAnd the earth\n");
  BOOST_TEST(found[1].origin == "1Jn2");
  BOOST_TEST(found[1].text == "My little: children\n");
  check_throws<tf::format_error>([] { chapters("Ge1:1 In\nno verse: here\n"); }, {"line 2", "no verse: here"});
}

BOOST_AUTO_TEST_CASE(glosses_are_read_from_wordnet) {
  const auto found = entries(
      "  1 This software is licensed\n"
      "00001930 03 n 01 physical_entity 0 001 @ 00001740 n 0000 | an entity; \"it | exists\"  \n",
      "data.noun");
  BOOST_REQUIRE(found.size() == 1u);
  BOOST_TEST(found[0].text == "physical entity: an entity; \"it | exists\"\n");
  BOOST_TEST(found[0].origin == "data.noun:2");
  check_throws<tf::format_error>([] { entries("00001930 03 n 01 entity no gloss\n", "data.noun"); }, {"data.noun:1"});
  check_throws<tf::io_error>([] { wordnet_corpus("/nowhere"); }, {"/nowhere/data.noun", "wordnet-base"});
}

BOOST_AUTO_TEST_CASE(paragraphs_are_gathered_and_lose_nothing_but_blank_lines) {
  std::string text = "\n\n", all;
  for (int i = 0; i < 50; ++i) {
    const std::string paragraph = std::string(90, static_cast<char>('a' + i % 26)) + "\nsecond line\n";
    text += paragraph + (i % 3 == 0 ? "\n \n\n" : "\n");
    all += paragraph;
  }
  const auto found = paragraphs(text, "notes.txt");
  std::string again;
  for (const passage& p : found) {
    BOOST_TEST(p.text.size() < 2200u);
    BOOST_TEST(p.text.front() != '\n');
    std::string joined = p.text;
    for (std::size_t at; (at = joined.find("\n\n")) != joined.npos;) joined.erase(at, 1);
    again += joined;
  }
  BOOST_TEST(again == all);
  BOOST_TEST(found.size() == 3u);
  BOOST_TEST(found[0].origin == "notes.txt:3");
  check_throws<tf::format_error>([] { paragraphs(" \n\n", "empty.txt"); }, {"empty.txt", "found no text"});
}

BOOST_AUTO_TEST_CASE(passages_are_held_out_evenly) {
  for (const index_t count : {4, 5, 19, 20, 101, 1189}) {
    const corpus c("some", sentences(count));
    BOOST_TEST(std::ssize(c.train) + std::ssize(c.held_out) == count);
    BOOST_TEST(c.held_out.size() >= 2u);
    BOOST_TEST(c.train.size() >= c.held_out.size());
  }
  BOOST_TEST(corpus("some", sentences(100)).held_out[1].origin == "p19");
  check_throws<tf::format_error>([] { corpus("small", sentences(3)); }, {"small: found 3 passages", "4 at least"});
}

BOOST_AUTO_TEST_CASE(user_files_are_read_whole_or_refused) {
  const files::temporary_folder folder;
  std::string text;
  for (const passage& p : sentences(60)) text += p.text + '\n';
  const auto good = files::put(folder / "a.txt", text), empty = files::put(folder / "empty.txt", "");
  const corpus c = file_corpus({good.string()});
  BOOST_TEST(c.train.size() + c.held_out.size() >= 4u);
  check_throws<tf::format_error>([&] { file_corpus({good.string(), empty.string()}); }, {"empty.txt", "no text"});
  check_throws<tf::io_error>([&] { file_corpus({(folder / "none.txt").string()}); }, {"none.txt", "no such file"});
}

BOOST_AUTO_TEST_CASE(utf8_is_told_from_other_bytes) {
  for (const char* good : {"", "plain", "Grüße", "日本", "🍕", "\xF4\x8F\xBF\xBF"})
    BOOST_TEST(first_fault(good) == std::string::npos);
  BOOST_TEST(first_fault("ab\xFF") == 2u);
  // Overlong forms, surrogates, past the last code point, cut off, a lone continuation.
  for (const char* bad : {"\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x9F\x8D", "\x80"})
    BOOST_TEST(first_fault(bad) == 0u);
  BOOST_TEST(printable("a\x01\xFF ü\n") == "a?? ü\n");
  corpus c("some", sentences(4));
  require_utf8(c);
  c.held_out[1].text = "abc\xE9";
  check_throws<tf::format_error>([&] { require_utf8(c); }, {"p3: byte 3", "233", "UTF-8", "--tokenizer bytes"});
}

#if TRANSFUSION_HAS_SENTENCEPIECE
BOOST_AUTO_TEST_CASE(pieces_are_learnt_and_every_text_comes_back) {
  const std::string model = sentencepiece_vocabulary::learn(sentences(40), 300);
  const sentencepiece_vocabulary words(model, "learnt");
  BOOST_TEST(words.size() == 300 + support::vocabulary::specials);
  for (const std::string text : {"the ark of gopher wood.\n", "  two  blanks ", "Grüße, 日本 🍕\n\n", "", "\n x"}) {
    const auto tokens = words.encode(text);
    BOOST_TEST(words.decode(tokens) == text);
    for (const auto t : tokens) BOOST_TEST((t >= support::vocabulary::specials && t < words.size()));
  }
  BOOST_TEST(words.encode("gopher wood").size() < 5u);  // words, not letters
  BOOST_TEST(words.name(support::vocabulary::boi) == "<boi>");
  BOOST_CHECK_THROW(words.name(static_cast<support::token_t>(words.size())), tf::config_error);
  const sentencepiece_vocabulary other(sentencepiece_vocabulary::learn(sentences(41), 300), "other");
  BOOST_TEST(words.to_json() != other.to_json());
  check_throws<tf::format_error>([] { sentencepiece_vocabulary("no model", "some.model"); }, {"some.model"});
  check_throws<tf::config_error>([] { sentencepiece_vocabulary::learn(sentences(4), 20000); }, {"--pieces", "20000"});
}

BOOST_AUTO_TEST_CASE(a_learnt_tokenizer_is_kept_and_held_to) {
  const files::temporary_folder folder;
  const corpus c("some", sentences(40));
  settings s = tiny(folder.path());
  s.tokenizer = "sentencepiece";
  s.pieces = 300;
  const std::string first = s.make_tokenizer(c)->to_json();
  BOOST_TEST(fs::exists(folder / "tokenizer.model"));
  BOOST_TEST(s.make_tokenizer(c)->to_json() == first);
  s.pieces = 301;
  check_throws<tf::config_error>([&] { s.make_tokenizer(c); }, {"tokenizer.model", "found 300 pieces", "expected 301"});
  s.tokenizer_model = (folder / "tokenizer.model").string();
  BOOST_TEST(s.make_tokenizer(c)->to_json() == first);
}
#else
BOOST_AUTO_TEST_CASE(without_sentencepiece_its_package_is_named) {
  settings s;
  s.tokenizer = "sentencepiece";
  check_throws<tf::config_error>([&] { s.make_tokenizer(corpus("some", sentences(4))); }, {"libsentencepiece-dev"});
}
#endif

BOOST_AUTO_TEST_CASE(batches_of_both_runs_hold_the_same_text) {
  const corpus c("some", sentences(30));
  const settings s = tiny("unused");
  const material m = of(c, s);
  const tf::packing_rules rules{0, 1, {{2, 3}}};
  const auto patches = [](tf::image_shape, index_t) { return tf::patch_grid{8, 8}; };
  std::string read[2];
  for (const bool with_pairs : {false, true}) {
    auto batches = m.batches(with_pairs, 5);
    for (index_t step = 0; step < 40; ++step) {
      index_t rows = 0, pairs = 0;
      for (const tf::document& d : batches(step)) {
        rows += tf::packed_rows(d, rules, patches);
        if (tf::is_plain_text(d))
          read[with_pairs] += m.words().decode(std::get<tf::text>(d.segments.front()).tokens);
        else
          ++pairs;
      }
      BOOST_TEST(rows <= (with_pairs ? 256 : 128));
      BOOST_TEST((pairs > 0) == with_pairs);
    }
  }
  const std::size_t same = std::min(read[0].size(), read[1].size());
  BOOST_TEST(same > 4000u);
  BOOST_TEST(read[0].substr(0, same) == read[1].substr(0, same));
  BOOST_TEST(std::abs(static_cast<double>(read[0].size()) - static_cast<double>(read[1].size())) < 200.0);
}

BOOST_AUTO_TEST_CASE(held_out_passages_are_cut_and_lose_nothing) {
  const corpus c("some", sentences(30));
  const material m = of(c, tiny("unused"));
  BOOST_TEST(m.held_out().size() >= 2u);
  for (const held_out_passage& p : m.held_out()) {
    std::string text;
    for (const tf::document& d : p.pieces) {
      BOOST_TEST(tf::text_tokens(d) <= 126);
      text += m.words().decode(std::get<tf::text>(d.segments.front()).tokens);
      BOOST_TEST(d.open_ended == (&d != &p.pieces.back()));
    }
    BOOST_TEST(std::ssize(text) == p.bytes);
    BOOST_TEST(std::ranges::any_of(c.held_out, [&](const passage& h) { return h.text == text; }));
  }
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_before_work_starts) {
  const corpus c("some", sentences(4));
  settings s = tiny("unused");
  s.text_rows = 50;
  check_throws<tf::config_error>([&] { of(c, s); }, {"--text-rows: found 50", "100 rows", "the longest pair"});
  s.text_rows = 2;
  s.pair_share = 200;
  check_throws<tf::config_error>([&] { of(c, s); }, {"--text-rows: found 2", "more than 2"});
  s = tiny("unused");
  s.patch = 5;
  BOOST_CHECK_THROW(of(c, s), tf::shape_error);
}

BOOST_AUTO_TEST_CASE(options_are_read_and_contradictions_refused) {
  BOOST_TEST(parsed({"--quick"}).steps < settings{}.steps);
  BOOST_TEST(parsed({"--quick", "--steps", "7"}).steps == 7);
  BOOST_TEST(parsed({"--pair-share", "0.5", "--text-rows", "1000"}).mixture_rows() == 1500);
  const files::temporary_folder folder;
  const std::string there = folder / "there.txt";
  std::ofstream(there) << "text";
  for (const auto& given : std::vector<std::vector<std::string>>{{"--tokenizer", "words"},
                                                                 {"--corpus", "koran"},
                                                                 {"--text", "/nowhere.txt"},
                                                                 {"--text", there, "--corpus", "bible"},
                                                                 {"--pair-share", "0"},
                                                                 {"--read-pairs", "1"},
                                                                 {"--tokenizer-model", there}})
    BOOST_CHECK_THROW(parsed(given), CLI::ParseError);
}

BOOST_AUTO_TEST_CASE(perplexity_bits_and_their_difference_are_those_of_the_sums) {
  const std::vector<result> results = {made("text", 1, {-10, -20, -30}), made("mixture", 1, {-11, -22, -33})};
  const auto alone = measured(results, "text", perplexity), bits = measured(results, "text", bits_per_byte);
  BOOST_TEST(alone.value == std::exp(1.0), tt::tolerance(1e-12));
  BOOST_TEST(alone.high - alone.low == 0.0, tt::tolerance(1e-12));  // each passage has the same mean
  BOOST_TEST(bits.value == 0.5 / std::log(2.0), tt::tolerance(1e-12));
  const auto more = difference(results, perplexity);
  BOOST_TEST(more.value == std::exp(1.1) - std::exp(1.0), tt::tolerance(1e-12));
  BOOST_TEST(direction(more) == "the paper's direction");
  BOOST_TEST(direction(difference(std::vector{made("text", 1, {-11, -22, -33}), made("mixture", 1, {-10, -20, -30})},
                                  bits_per_byte)) == "the other direction");
  BOOST_TEST(direction(difference(std::vector{made("text", 1, {-10, -22, -30}), made("mixture", 1, {-11, -20, -31})},
                                  bits_per_byte)) == "not told from none");
  BOOST_TEST(denoising(results).value == 0.15, tt::tolerance(1e-12));
  check_throws<tf::config_error>([&] { difference(std::span(results).subspan(1), perplexity); }, {"found no text-1"});
  // Two seeds: the mean of their perplexities.
  const std::vector<result> seeds = {results[0], results[1], made("text", 2, {-20, -40, -60}),
                                     made("mixture", 2, {-20, -40, -60})};
  BOOST_TEST(measured(seeds, "text", perplexity).value == (std::exp(1.0) + std::exp(2.0)) / 2, tt::tolerance(1e-12));
  BOOST_TEST(difference(seeds, perplexity).value == (std::exp(1.1) - std::exp(1.0)) / 2, tt::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(a_result_comes_back_from_its_file) {
  const files::temporary_folder folder;
  result r = made("mixture", 2, {-1.5, -2, -3});
  r.sample = "and it came to pass";
  const support::json_store store(folder.path());
  store.put(r.name(), r.to_json());
  const auto found = find_result(store, "mixture-2", r.settings);
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST(found->to_json() == r.to_json());
  BOOST_TEST(!find_result(store, "text-2", r.settings).has_value());
  auto others = r.settings;
  others["text_rows"] = 256;
  check_throws<tf::config_error>([&] { find_result(store, "mixture-2", others); },
                                 {"text_rows", "found 128", "expected 256"});
  store.put("text-1", {{"data", "text"}, {"settings", r.settings}});
  check_throws<tf::format_error>([&] { find_result(store, "text-1", r.settings); }, {"text-1.json", "seed"});
  r.bytes.pop_back();
  check_throws<tf::format_error>([&] { result::from_json(r.to_json(), "here"); }, {"here", "2 of bytes"});
}

BOOST_AUTO_TEST_CASE(both_models_are_trained_measured_and_reported_once) {
  const files::temporary_folder folder;
  const corpus c("sentences", sentences(30));
  const settings s = tiny(folder.path());
  const material m = of(c, s);
  const auto about = s.of_results(c, m.words());
  const auto results = run_missing(m, s, about);
  BOOST_REQUIRE(results.size() == 2u);
  BOOST_TEST(results[0].data == "text");
  BOOST_TEST(std::abs(results[0].text_rows - 3 * 128) <= 6);
  BOOST_TEST(std::abs(results[1].text_rows - results[0].text_rows) <= static_cast<double>(m.longest_pair()));
  const double near_chance = measured(results, "mixture", perplexity).value;  // of 261 tokens, after three steps
  BOOST_TEST((near_chance > 50 && near_chance < 400));
  BOOST_TEST(results[1].denoising.size() == 3u);
  BOOST_TEST(results[0].denoising.empty());
  BOOST_TEST(fs::exists(folder / "runs" / results[1].pictures));

  save_report(m, s, results);
  BOOST_TEST(fs::exists(folder / "losses.png"));
  const std::string report = support::read_file(folder / "report.md");
  for (const char* part : {"sentences", "261", "bits per byte", "+0.3 (10.1 to 10.4)", "runs/mixture-1.png"})
    BOOST_TEST(report.find(part) != std::string::npos, part);

  // Finished runs are read, not made; one that was broken off goes on from its checkpoint, to the same figures.
  BOOST_TEST(run_missing(m, s, about)[1].to_json() == results[1].to_json());
  fs::remove(folder / "runs" / "mixture-1.json");
  BOOST_TEST(run_missing(m, s, about)[1].to_json() == results[1].to_json());

  for (const char* run : {"text-1.json", "mixture-1.json"}) fs::remove(folder / "runs" / run);
  const material stranger(c, std::make_unique<foreign_bytes>(), s);
  check_throws<tf::format_error>([&] { run_missing(stranger, s, s.of_results(c, stranger.words())); },
                                 {"text-1.safetensors", "vocabulary", "bytes", "foreign"});
}
