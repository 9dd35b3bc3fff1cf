// SPDX-License-Identifier: Apache-2.0
#include "text_pairs/support/corpus.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "support/file.hpp"
#include "text_pairs/support/utf8.hpp"
#include "transfusion/core/error.hpp"

namespace text_pairs {
using tf::format_error;
using tf::io_error;
using tf::require;

namespace {

constexpr index_t most_in_a_row = 10;
constexpr std::size_t passage_bytes = 2000;
constexpr const char* blanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(blanks);
  return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

/// f(line, number) for each line, the first being 1.
template <class F>
void for_each_line(std::string_view text, F f) {
  index_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    f(text.substr(begin, end - begin), ++number);
    begin = end + 1;
  }
}

/// What a command prints; nothing where it fails.
std::string output_of(const char* command) {
  FILE* pipe = popen(command, "r");
  if (pipe == nullptr) return {};
  std::string text;
  char block[1 << 14];
  for (std::size_t n; (n = std::fread(block, 1, sizeof block, pipe)) > 0;) text.append(block, n);
  return pclose(pipe) == 0 ? text : std::string();
}

}  // namespace

corpus::corpus(std::string title, std::vector<passage> passages) : name(std::move(title)) {
  const index_t count = std::ssize(passages), stride = std::clamp<index_t>(count / 2, 2, most_in_a_row);
  require<format_error>(count >= 4, name, ": found ", count, " passages, expected 4 at least, to hold two out");
  for (index_t i = 0; i < count; ++i)
    (i % stride == stride - 1 ? held_out : train).push_back(std::move(passages[static_cast<std::size_t>(i)]));
}

index_t bytes_of(const std::vector<passage>& passages) {
  index_t bytes = 0;
  for (const passage& p : passages) bytes += std::ssize(p.text);
  return bytes;
}

std::vector<passage> chapters(std::string_view printed) {
  std::vector<passage> found;
  for_each_line(printed, [&](std::string_view line, index_t number) {
    const auto colon = line.find(':'), space = line.find(' ');
    require<format_error>(colon != line.npos && space != line.npos && colon < space, "bible: line ", number,
                          ": found \"", line.substr(0, 40), "\", expected a verse such as \"Ge1:1 In the beginning\"");
    const std::string_view chapter = line.substr(0, colon);
    if (found.empty() || found.back().origin != chapter) found.push_back({std::string(chapter), {}});
    found.back().text += std::string(line.substr(space + 1)) + '\n';
  });
  return found;
}

corpus bible_corpus() {
  const std::string printed = output_of("bible -f gen1:1-rev22:21 2>/dev/null");
  require<io_error>(!printed.empty(),
                    "bible: the program printed nothing; install the Debian packages bible-kjv and bible-kjv-text, or "
                    "give --corpus wordnet, or --text with files of your own");
  return {"the King James Bible", chapters(printed)};
}

std::vector<passage> entries(std::string_view file, const std::string& name) {
  std::vector<passage> found;
  for_each_line(file, [&](std::string_view line, index_t number) {
    if (line.starts_with("  ")) return;  // the licence
    const std::string where = name + ":" + std::to_string(number);
    const auto gloss = line.find(" | ");
    std::size_t word = 0;
    for (int skipped = 0; skipped < 4 && word != line.npos; ++skipped) word = line.find(' ', word + 1);
    require<format_error>(gloss != line.npos && word < gloss, where, ": found \"", line.substr(0, 40),
                          "\", expected an entry of WordNet with a gloss");
    std::string text(line.substr(word + 1, line.find(' ', word + 1) - word - 1));
    std::replace(text.begin(), text.end(), '_', ' ');
    found.push_back({where, text + ": " + std::string(trimmed(line.substr(gloss + 3))) + '\n'});
  });
  return found;
}

corpus wordnet_corpus(const fs::path& folder) {
  std::vector<passage> all;
  for (const char* part : {"data.noun", "data.verb", "data.adj", "data.adv"}) {
    const fs::path file = folder / part;
    require<io_error>(fs::exists(file), file.string(),
                      ": no such file; install the Debian package wordnet-base, or give --text with files of your own");
    auto found = entries(support::read_file(file), file.string());
    all.insert(all.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
  return {"the glosses of WordNet", std::move(all)};
}

std::vector<passage> paragraphs(std::string_view text, const std::string& name) {
  std::vector<passage> found;
  bool full = true;
  for_each_line(text, [&](std::string_view line, index_t number) {
    const bool blank = trimmed(line).empty();
    full = full || (blank && found.back().text.size() >= passage_bytes);
    if (blank && full) return;
    if (std::exchange(full, false)) found.push_back({name + ":" + std::to_string(number), {}});
    if (!blank || !found.back().text.ends_with("\n\n")) found.back().text += std::string(line) + '\n';
  });
  require<format_error>(!found.empty(), name, ": found no text, expected some");
  return found;
}

corpus file_corpus(const std::vector<std::string>& files) {
  std::vector<passage> all;
  for (const std::string& file : files) {
    auto found = paragraphs(support::read_file(file), file);
    all.insert(all.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
  return {files.size() == 1 ? files.front() : std::to_string(files.size()) + " files", std::move(all)};
}

void require_utf8(const corpus& c) {
  for (const auto* passages : {&c.train, &c.held_out})
    for (const passage& p : *passages) {
      const std::size_t fault = first_fault(p.text);
      if (fault == std::string::npos) continue;
      require<format_error>(false, p.origin, ": byte ", fault, " of the passage: found ",
                            static_cast<int>(static_cast<unsigned char>(p.text[fault])),
                            ", expected UTF-8, which SentencePiece needs; --tokenizer bytes takes any file");
    }
}

}  // namespace text_pairs
