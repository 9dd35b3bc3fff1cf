// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "transfusion/core/types.hpp"

/// What the pairs of a mixture cost a model's text.
namespace text_pairs {

namespace fs = std::filesystem;
namespace tf = transfusion;
using tf::index_t;

/// A text that is read in one go.
struct passage {
  std::string origin;  ///< "Ge1", "notes.txt:120"
  std::string text;
};

/// Passages to train on and to measure with: of up to ten that follow each other the last is held out.
struct corpus {
  std::string name;
  std::vector<passage> train, held_out;

  /// Throws format_error on fewer than four passages: a bootstrap needs two that are held out.
  corpus(std::string name, std::vector<passage> passages);
};

/// Bytes of text.
index_t bytes_of(const std::vector<passage>& passages);

/// The chapters in what the program `bible` prints, a verse a line, "Ge1:1 In the beginning …". Throws format_error on
/// a line that is no verse.
std::vector<passage> chapters(std::string_view printed);
/// The King James Bible by chapters, from Debian's bible-kjv. Throws io_error where it is not installed.
corpus bible_corpus();

/// The entries in one of WordNet's data files, "entity: that which is perceived …". Throws format_error on a line that
/// is none, naming it.
std::vector<passage> entries(std::string_view file, const std::string& name);
/// The glosses of WordNet, an entry a passage. Throws io_error where the files are not there.
corpus wordnet_corpus(const fs::path& folder = "/usr/share/wordnet");

/// The paragraphs of a text, gathered until they hold 2,000 bytes. Throws format_error on one without text.
std::vector<passage> paragraphs(std::string_view text, const std::string& name);
/// The user's own files.
corpus file_corpus(const std::vector<std::string>& files);

/// Throws format_error naming passage and byte where one is not UTF-8.
void require_utf8(const corpus& c);

}  // namespace text_pairs
