// SPDX-License-Identifier: Apache-2.0
#include "support/captions.hpp"

#include <nlohmann/json.hpp>

#include "support/file.hpp"
#include "transfusion/core/error.hpp"

namespace support {
namespace fs = std::filesystem;
using nlohmann::json;
using transfusion::config_error;
using transfusion::format_error;
using transfusion::io_error;
using transfusion::require;

namespace {

constexpr const char* blanks = " \t\r\n";

std::string text_member(const json& line, const char* name) {
  require<format_error>(line.contains(name), "\"", name, "\": found none, expected a text");
  require<format_error>(line[name].is_string(), "\"", name, "\": found ", line[name].type_name(), ", expected a text");
  std::string text = line[name];
  const auto begin = text.find_first_not_of(blanks);
  require<format_error>(begin != std::string::npos, "\"", name, "\": found an empty text, expected words");
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

captioned_image read_line(const std::string& text, index_t number, const fs::path& folder,
                          const caption_options& options) {
  json line;
  try {
    line = json::parse(text);
  } catch (const json::exception& fault) {
    throw format_error(std::string("not JSON: ") + fault.what());
  }
  require<format_error>(line.is_object(), "found ", line.type_name(), ", expected {\"file\": …, \"caption\": …}");
  captioned_image item{
      .file = text_member(line, "file"), .caption = text_member(line, "caption"), .line = number, .image = {}};
  item.image = load_image(folder / item.file, options.image, options.channels);
  return item;
}

}  // namespace

std::vector<std::string> captioned_folder::captions() const {
  std::vector<std::string> all;
  for (const captioned_image& item : items) all.push_back(item.caption);
  return all;
}

captioned_folder read_captions(const fs::path& folder, const caption_options& options) {
  const fs::path list = folder / "captions.jsonl";
  const std::string text = read_file(list);
  captioned_folder result;
  index_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(blanks) == std::string::npos) continue;
    const std::string place = list.string() + ":" + std::to_string(number) + ": ";
    try {
      result.items.push_back(read_line(line, number, folder, options));
    } catch (const format_error& fault) {
      if (!options.skip_bad) throw format_error(place + fault.what());
      result.skipped.push_back({number, fault.what()});
    } catch (const io_error& fault) {
      if (!options.skip_bad) throw io_error(place + fault.what());
      result.skipped.push_back({number, fault.what()});
    }
  }
  require<format_error>(!result.items.empty(), list.string(), ": found no usable line among ", number, " (",
                        result.skipped.size(), " skipped), expected some");
  return result;
}

}  // namespace support
