// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_vocabulary
#include "support/vocabulary.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "files.hpp"
#include "transfusion/core/error.hpp"

using namespace support;
using files::check_throws;
using transfusion::config_error;
using transfusion::format_error;
using tokens = std::vector<token_t>;

namespace {

const std::vector<std::string> captions = {"a photo of an ankle boot", "A photo of a T-shirt", "the dog's bag, again!"};

}  // namespace

BOOST_AUTO_TEST_CASE(words_are_cut_lowered_and_joined_again) {
  const auto words = word_vocabulary::split("  The DOG's T-shirt -- (red),\tnot 2 \xc3\x84pfel!");
  const std::vector<std::string> expected = {"the", "dog's", "t-shirt",      "-", "-", "(", "red", ")", ",",
                                             "not", "2",     "\xc3\x84pfel", "!"};
  BOOST_TEST(words == expected, boost::test_tools::per_element());
  const std::string text = "(see the dog's bag), again!";
  const word_vocabulary v(std::vector<std::string>{text});
  BOOST_TEST(v.decode(v.encode(text)) == text);
}

BOOST_AUTO_TEST_CASE(ids_are_sorted_behind_the_special_tokens_and_do_not_depend_on_the_order) {
  const word_vocabulary v(captions);
  std::vector<std::string> shuffled(captions.rbegin(), captions.rend());
  shuffled.push_back(captions[0]);
  const word_vocabulary other(shuffled);
  BOOST_TEST(v.to_json() == other.to_json());
  BOOST_TEST(v.size() == vocabulary::specials + 13);
  for (token_t t = vocabulary::specials; t + 1 < v.size(); ++t) BOOST_TEST((v.name(t) < v.name(t + 1)));
  BOOST_TEST(v.name(vocabulary::specials) == "!");
  BOOST_TEST(v.name(vocabulary::bos) == "<bos>");
  BOOST_TEST(v.name(vocabulary::eos) == "<eos>");
  BOOST_TEST(v.name(vocabulary::boi) == "<boi>");
  BOOST_TEST(v.name(vocabulary::eoi) == "<eoi>");
  BOOST_TEST(v.name(vocabulary::unknown) == "<unknown>");
}

BOOST_AUTO_TEST_CASE(every_caption_survives_the_way_to_tokens_and_back) {
  const word_vocabulary v(captions);
  for (const std::string& caption : captions) {
    const tokens encoded = v.encode(caption);
    BOOST_TEST(std::all_of(encoded.begin(), encoded.end(),
                           [&](token_t t) { return t >= vocabulary::specials && t < v.size(); }));
    std::string lowered = caption;
    std::transform(lowered.begin(), lowered.end(), lowered.begin(), [](unsigned char c) { return std::tolower(c); });
    BOOST_TEST(v.decode(encoded) == lowered);
  }
}

BOOST_AUTO_TEST_CASE(an_unknown_word_is_named_or_replaced) {
  const word_vocabulary v(captions);
  check_throws<config_error>([&] { v.encode("a photo of a zebra"); }, {"unknown word \"zebra\"", "a photo of a zebra"});
  const tokens replaced = v.encode("a zebra", unknown_words::replace);
  BOOST_TEST(replaced == (tokens{v.encode("a")[0], vocabulary::unknown}), boost::test_tools::per_element());
  BOOST_TEST(v.decode(replaced) == "a <unknown>");
}

BOOST_AUTO_TEST_CASE(special_tokens_are_no_text_and_foreign_ids_are_refused) {
  const word_vocabulary words(captions);
  const byte_vocabulary bytes;
  for (const vocabulary* v : {static_cast<const vocabulary*>(&words), static_cast<const vocabulary*>(&bytes)}) {
    tokens t = v->encode("a bag");
    t.insert(t.begin(), vocabulary::bos);
    t.insert(t.end(), {vocabulary::boi, vocabulary::eoi, vocabulary::eos});
    BOOST_TEST(v->decode(t) == "a bag");
    const auto size = static_cast<token_t>(v->size());
    check_throws<config_error>([&] { v->decode(tokens{size}); }, {"found " + std::to_string(size)});
    check_throws<config_error>([&] { v->name(-1); }, {"found -1, expected 0 to " + std::to_string(size - 1)});
  }
}

BOOST_AUTO_TEST_CASE(bytes_write_every_text) {
  const byte_vocabulary v;
  BOOST_TEST(v.size() == 261);
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  const tokens encoded = v.encode(all);
  BOOST_TEST(encoded.size() == 256u);
  BOOST_TEST(encoded.front() == vocabulary::specials);
  BOOST_TEST(encoded.back() == 260);
  BOOST_TEST(v.decode(encoded) == all);
  BOOST_TEST(v.encode("").empty());
}

BOOST_AUTO_TEST_CASE(a_vocabulary_survives_json) {
  const word_vocabulary words(captions);
  const auto words_again = vocabulary_from_json(words.to_json());
  BOOST_TEST(words_again->to_json() == words.to_json());
  BOOST_TEST(words_again->encode(captions[1]) == words.encode(captions[1]), boost::test_tools::per_element());
  BOOST_TEST(dynamic_cast<const word_vocabulary*>(words_again.get()) != nullptr);
  const auto bytes_again = vocabulary_from_json(byte_vocabulary().to_json());
  BOOST_TEST(bytes_again->size() == 261);
  BOOST_TEST(dynamic_cast<const byte_vocabulary*>(bytes_again.get()) != nullptr);
}

BOOST_AUTO_TEST_CASE(bad_json_is_refused_with_its_reason) {
  const auto read = [](std::string_view text) { return [text] { vocabulary_from_json(text); }; };
  check_throws<format_error>(read("{"), {"not JSON"});
  check_throws<format_error>(read("[]"), {"found no \"kind\""});
  check_throws<format_error>(read(R"({"kind": 3})"), {"found no \"kind\""});
  check_throws<format_error>(read(R"({"kind": "letters"})"), {"found \"letters\""});
  check_throws<format_error>(read(R"({"kind": "words"})"), {"\"words\"", "found no list"});
  check_throws<format_error>(read(R"({"kind": "words", "words": ["a", 3]})"), {"word 1", "found number"});
  check_throws<format_error>(read(R"({"kind": "words", "words": ["b", "a"]})"), {"word 1", "\"a\" out of order"});
  check_throws<format_error>(read(R"({"kind": "words", "words": ["a", "a"]})"), {"word 1", "out of order"});
  check_throws<format_error>(read(R"({"kind": "words", "words": ["A"]})"), {"word 0", "\"A\""});
  check_throws<format_error>(read(R"({"kind": "words", "words": ["a b"]})"), {"word 0"});
  check_throws<format_error>(read(R"({"kind": "words", "words": [""]})"), {"word 0"});
  check_throws<format_error>([] { word_vocabulary::from_json(R"({"kind": "bytes"})"); },
                             {"found \"bytes\", expected \"words\""});
}

BOOST_AUTO_TEST_CASE(captions_that_could_not_be_saved_are_refused) {
  const std::vector<std::string> broken = {"a \xff bag"};
  check_throws<config_error>([&] { word_vocabulary v(broken); }, {"UTF-8"});
}
