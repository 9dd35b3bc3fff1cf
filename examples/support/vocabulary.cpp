// SPDX-License-Identifier: Apache-2.0
#include "support/vocabulary.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "transfusion/core/error.hpp"

namespace support {
using nlohmann::json;
using transfusion::config_error;
using transfusion::format_error;
using transfusion::require;

namespace {

constexpr std::string_view special_names[] = {"<bos>", "<eos>", "<boi>", "<eoi>", "<unknown>"};

bool is_word_byte(char c) {
  const auto b = static_cast<unsigned char>(c);
  return b >= 0x80 || std::isalnum(b) != 0;
}
bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
char lowered(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Marks that stand directly after the word before them, and marks that stand directly before the next word.
bool joins_left(std::string_view word) {
  return word.size() == 1 && std::string_view(".,;:!?)]}%").find(word) != word.npos;
}
bool joins_right(std::string_view word) {
  return word.size() == 1 && std::string_view("([{#$").find(word) != word.npos;
}

json parsed(std::string_view text, std::string_view kind) {
  json value;
  try {
    value = json::parse(text);
  } catch (const json::exception& fault) {
    throw format_error(std::string("vocabulary: not JSON: ") + fault.what());
  }
  const bool named = value.is_object() && value.contains("kind") && value["kind"].is_string();
  require<format_error>(named, "vocabulary: found no \"kind\", expected \"words\" or \"bytes\"");
  if (!kind.empty())
    require<format_error>(value["kind"] == kind, "vocabulary: kind: found \"", value["kind"].get<std::string>(),
                          "\", expected \"", kind, "\"");
  return value;
}

/// The list of words in a vocabulary's JSON, found strictly sorted, each word whole.
std::vector<std::string> words_of(const json& value) {
  require<format_error>(value.contains("words") && value["words"].is_array(),
                        "vocabulary: \"words\": found no list, expected one");
  std::vector<std::string> words;
  for (const json& entry : value["words"]) {
    require<format_error>(entry.is_string(), "vocabulary: word ", words.size(), ": found ", entry.type_name(),
                          ", expected a string");
    const auto& word = entry.get_ref<const std::string&>();
    const bool whole = word_vocabulary::split(word) == std::vector<std::string>{word};
    require<format_error>(whole, "vocabulary: word ", words.size(), ": found \"", word,
                          "\", expected one lower-cased word");
    require<format_error>(words.empty() || words.back() < word, "vocabulary: word ", words.size(), ": found \"", word,
                          "\" out of order, expected sorted words without repeats");
    words.push_back(word);
  }
  return words;
}

}  // namespace

void vocabulary::require_token(token_t token) const {
  require<config_error>(token >= 0 && token < size(), "vocabulary: token: found ", token, ", expected 0 to ",
                        size() - 1);
}

std::unique_ptr<vocabulary> vocabulary_from_json(std::string_view text) {
  const std::string kind = parsed(text, "")["kind"];
  if (kind == "words") return std::make_unique<word_vocabulary>(word_vocabulary::from_json(text));
  if (kind == "bytes") return std::make_unique<byte_vocabulary>(byte_vocabulary::from_json(text));
  throw format_error("vocabulary: kind: found \"" + kind + "\", expected \"words\" or \"bytes\"");
}

std::vector<std::string> word_vocabulary::split(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < text.size();) {
    if (is_space(text[i])) {
      ++i;
      continue;
    }
    std::string word(1, lowered(text[i]));
    const bool letters = is_word_byte(text[i]);
    for (++i; letters && i < text.size(); ++i) {
      const bool inner_mark = (text[i] == '-' || text[i] == '\'') && i + 1 < text.size() && is_word_byte(text[i + 1]);
      if (!is_word_byte(text[i]) && !inner_mark) break;
      word += lowered(text[i]);
    }
    words.push_back(std::move(word));
  }
  return words;
}

word_vocabulary::word_vocabulary(std::span<const std::string> captions) {
  std::set<std::string> found;
  for (const std::string& caption : captions)
    for (std::string& word : split(caption)) found.insert(std::move(word));
  words_.assign(found.begin(), found.end());
  index();
  try {
    to_json();  // a vocabulary that could not be saved with its model is refused before training, not after
  } catch (const json::exception& fault) {
    throw config_error(std::string("vocabulary: a caption is not UTF-8: ") + fault.what());
  }
}

word_vocabulary word_vocabulary::from_json(std::string_view text) {
  word_vocabulary result;
  result.words_ = words_of(parsed(text, "words"));
  result.index();
  return result;
}

void word_vocabulary::index() {
  ids_.clear();
  for (std::size_t i = 0; i < words_.size(); ++i) ids_.emplace(words_[i], specials + static_cast<token_t>(i));
}

std::vector<token_t> word_vocabulary::encode(std::string_view text, unknown_words rule) const {
  std::vector<token_t> tokens;
  for (const std::string& word : split(text)) {
    const auto found = ids_.find(word);
    require<config_error>(found != ids_.end() || rule == unknown_words::replace, "vocabulary: unknown word \"", word,
                          "\" in \"", text, "\", expected one of ", words_.size(), " words");
    tokens.push_back(found == ids_.end() ? unknown : found->second);
  }
  return tokens;
}

std::string word_vocabulary::name(token_t token) const {
  require_token(token);
  if (token < specials) return std::string(special_names[token]);
  return words_[static_cast<std::size_t>(token - specials)];
}

std::string word_vocabulary::decode(std::span<const token_t> tokens) const {
  std::string text;
  bool glued = true;
  for (const token_t token : tokens) {
    const std::string word = name(token);
    if (token < unknown) continue;
    if (!glued && !joins_left(word)) text += ' ';
    text += word;
    glued = joins_right(word);
  }
  return text;
}

std::string word_vocabulary::to_json() const { return json{{"kind", "words"}, {"words", words_}}.dump(); }

byte_vocabulary byte_vocabulary::from_json(std::string_view text) {
  parsed(text, "bytes");
  return {};
}

std::vector<token_t> byte_vocabulary::encode(std::string_view text, unknown_words) const {
  std::vector<token_t> tokens(text.size());
  std::transform(text.begin(), text.end(), tokens.begin(),
                 [](char c) { return specials + static_cast<token_t>(static_cast<unsigned char>(c)); });
  return tokens;
}

std::string byte_vocabulary::name(token_t token) const {
  require_token(token);
  if (token < specials) return std::string(special_names[token]);
  return std::string(1, static_cast<char>(token - specials));
}

std::string byte_vocabulary::decode(std::span<const token_t> tokens) const {
  std::string text;
  for (const token_t token : tokens) {
    const std::string byte = name(token);
    if (token >= unknown) text += byte;
  }
  return text;
}

std::string byte_vocabulary::to_json() const { return json{{"kind", "bytes"}}.dump(); }

}  // namespace support
