// SPDX-License-Identifier: Apache-2.0
// Every ```cpp block of README.md and docs/*.md stands, word for word, between "// snippet: NAME" and "// end of
// snippet" in a source of this folder, where it is compiled and used; and every such snippet stands in a document.
#define BOOST_TEST_MODULE docs_snippets
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path here = fs::path(__FILE__).parent_path();
const fs::path repository = here.parent_path().parent_path();

std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream in(file);
  BOOST_REQUIRE_MESSAGE(in.good(), file << ": cannot be read");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<fs::path> files(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == extension) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

/// The lines between those that satisfy `begins` and `ends`, joined, each run of them once.
template <class Begins, class Ends>
std::vector<std::string> blocks(const fs::path& file, Begins begins, Ends ends) {
  std::vector<std::string> found;
  bool inside = false;
  for (const std::string& line : lines_of(file)) {
    if (!inside && begins(line)) {
      found.emplace_back();
      inside = true;
    } else if (inside && ends(line)) {
      inside = false;
    } else if (inside) {
      found.back() += line + "\n";
    }
  }
  BOOST_CHECK_MESSAGE(!inside, file << ": the last block does not end");
  return found;
}

std::vector<std::string> code_of_document(const fs::path& file) {
  return blocks(
      file, [](const std::string& l) { return l == "```cpp"; }, [](const std::string& l) { return l == "```"; });
}

std::vector<std::string> snippets_of_source(const fs::path& file) {
  return blocks(
      file, [](const std::string& l) { return l.rfind("// snippet: ", 0) == 0; },
      [](const std::string& l) { return l == "// end of snippet"; });
}

std::vector<fs::path> documents() {
  std::vector<fs::path> all = files(repository / "docs", ".md");
  all.push_back(repository / "README.md");
  return all;
}

/// The lines of a document outside its blocks.
std::vector<std::string> text_of_document(const fs::path& file) {
  std::vector<std::string> text;
  bool inside = false;
  for (const std::string& line : lines_of(file)) {
    if (line.rfind("```", 0) == 0)
      inside = !inside;
    else if (!inside)
      text.push_back(line);
  }
  return text;
}

/// What stands between backticks.
std::vector<std::string> code_spans(const std::string& line) {
  std::vector<std::string> spans;
  for (std::size_t at = line.find('`'); at != std::string::npos;) {
    const std::size_t end = line.find('`', at + 1);
    if (end == std::string::npos) break;
    spans.push_back(line.substr(at + 1, end - at - 1));
    at = line.find('`', end + 1);
  }
  return spans;
}

/// "model.hpp" and "tests/directions/allowed.txt", but not "<transfusion/model.hpp>".
bool is_source(const std::string& span) {
  const std::string extension = fs::path(span).extension().string();
  const bool known = extension == ".hpp" || extension == ".cpp" || extension == ".txt" || extension == ".sh";
  return known && span.find_first_of(" <\"*") == std::string::npos;
}

/// Where a file of the repository lies, or of the library by its short name; empty where there is none.
fs::path found(const std::string& name) {
  for (const fs::path& folder : {repository, repository / "include" / "transfusion"})
    if (fs::exists(folder / name)) return folder / name;
  return {};
}

std::string first_line(const std::string& block) { return block.substr(0, block.find('\n')); }

}  // namespace

BOOST_AUTO_TEST_CASE(what_the_documents_show_is_what_is_compiled) {
  std::vector<std::string> compiled;
  for (const fs::path& source : files(here, ".cpp"))
    if (source.filename() != fs::path(__FILE__).filename())
      for (const std::string& s : snippets_of_source(source)) compiled.push_back(s);
  BOOST_REQUIRE(compiled.size() > 0);

  std::set<std::string> shown;
  for (const fs::path& document : documents())
    for (const std::string& block : code_of_document(document)) {
      shown.insert(block);
      BOOST_CHECK_MESSAGE(std::find(compiled.begin(), compiled.end(), block) != compiled.end(),
                          document.filename() << ": no source of tests/docs has this block, line for line:\n"
                                              << block);
    }
  for (const std::string& s : compiled)
    BOOST_CHECK_MESSAGE(shown.count(s) == 1, "no document shows the snippet that begins: " << first_line(s));
}

BOOST_AUTO_TEST_CASE(links_lead_somewhere) {
  for (const fs::path& document : documents())
    for (const std::string& line : text_of_document(document))
      for (std::size_t at = line.find("]("); at != std::string::npos; at = line.find("](", at + 1)) {
        const std::string link = line.substr(at + 2, line.find_first_of(")#", at) - at - 2);
        if (link.empty() || link.find("://") != std::string::npos) continue;
        BOOST_CHECK_MESSAGE(fs::exists(document.parent_path() / link), document.filename() << ": no file " << link);
      }
}

BOOST_AUTO_TEST_CASE(files_that_are_named_exist) {
  std::size_t named = 0;
  for (const fs::path& document : documents())
    for (const std::string& line : text_of_document(document))
      for (const std::string& span : code_spans(line))
        if (is_source(span)) {
          ++named;
          BOOST_CHECK_MESSAGE(!found(span).empty(), document.filename() << ": no file " << span);
        }
  BOOST_TEST(named > 20);
}

// A row of docs/paper.md such as | Eq. 1 | `loss/next_token.hpp` | `next_token` |
BOOST_AUTO_TEST_CASE(what_implements_the_paper_stands_in_the_file_named) {
  std::size_t rows = 0;
  for (const std::string& line : text_of_document(repository / "docs" / "paper.md")) {
    std::vector<std::string> spans = code_spans(line);
    if (line.rfind("| ", 0) != 0 || spans.size() < 2 || is_source(spans.back()) || !is_source(spans.front())) continue;
    const std::string name = spans.back();
    spans.pop_back();
    bool stands = false;
    for (const std::string& file : spans)
      for (const std::string& source_line : lines_of(found(file)))
        stands = stands || source_line.find(name) != std::string::npos;
    BOOST_CHECK_MESSAGE(stands, "docs/paper.md: no " << name << " in " << spans.front());
    ++rows;
  }
  BOOST_TEST(rows > 20);
}
