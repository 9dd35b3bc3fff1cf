// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/io/tensor_info.hpp"

namespace transfusion::detail {

/// What a safetensors file says of itself: its tensors in the order of their data, and free text.
struct safetensors_header {
  std::vector<tensor_info> tensors;
  std::map<std::string, std::string> metadata;
};

inline constexpr std::uint64_t most_header_bytes = 100'000'000;
inline constexpr const char* metadata_key = "__metadata__";

/// Reads and checks one header. Every fault is a `format_error` that names the file, the tensor, found and expected.
class safetensors_header_parser {
 public:
  /// `data_bytes`: what follows the header in the file.
  safetensors_header_parser(const std::filesystem::path& file, std::uint64_t data_bytes)
      : file_(file.string()), data_bytes_(static_cast<index_t>(data_bytes)) {}

  safetensors_header parse(const std::string& text) const {
    if (text.empty() || text[0] != '{') fail("header", "a text that does not begin with '{'", "a JSON object");
    const nlohmann::json root = parse_json(text);
    safetensors_header header;
    for (const auto& [name, value] : root.items()) {
      if (name == metadata_key)
        header.metadata = metadata_of(value);
      else
        header.tensors.push_back(tensor_of(name, value));
    }
    check_places(header.tensors);
    return header;
  }

 private:
  template <class... Found>
  [[noreturn]] void fail(const std::string& part, const std::string& found, const std::string& expected) const {
    throw format_error(message(file_, ": ", part, ": found ", found, ", expected ", expected));
  }
  static std::string tensor(const std::string& name) { return "tensor '" + name + "'"; }
  static std::string shown(const nlohmann::json& value) {
    const std::string text = value.dump(-1, ' ', true);
    return text.size() <= 80 ? text : text.substr(0, 77) + "...";
  }

  /// The library keeps the last of two equal keys: they have to be found while it parses.
  nlohmann::json parse_json(const std::string& text) const {
    using json = nlohmann::json;
    std::vector<std::set<std::string>> open;
    const auto watch = [&](int depth, json::parse_event_t event, json& value) {
      if (depth > 4) fail("header", "values nested deeper than 4 levels", "tensors and metadata");
      if (event == json::parse_event_t::object_start) open.emplace_back();
      if (event == json::parse_event_t::object_end) open.pop_back();
      if (event == json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second)
        fail("header", "the name " + shown(value) + " twice", "every name once");
      return true;
    };
    try {
      return json::parse(text, watch);
    } catch (const json::exception& e) {
      throw format_error(message(file_, ": header: found no valid JSON, expected some: ", e.what()));
    }
  }

  std::map<std::string, std::string> metadata_of(const nlohmann::json& value) const {
    if (!value.is_object()) fail(metadata_key, shown(value), "an object of strings");
    std::map<std::string, std::string> metadata;
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) fail(message(metadata_key, " '", key, "'"), shown(text), "a string");
      metadata[key] = text.get<std::string>();
    }
    return metadata;
  }

  tensor_info tensor_of(const std::string& name, const nlohmann::json& value) const {
    if (!value.is_object()) fail(tensor(name), shown(value), "an object");
    for (const char* key : {"dtype", "shape", "data_offsets"})
      if (!value.contains(key)) fail(tensor(name), message("no ", key), message("a ", key));
    if (!value["dtype"].is_string() || !dtype_bytes(value["dtype"].get<std::string>()))
      fail(tensor(name), "dtype " + shown(value["dtype"]), "a known one");
    const auto places = whole_numbers(name, "data_offsets", value["data_offsets"]);
    if (places.size() != 2) fail(tensor(name), message(places.size(), " data_offsets"), "2");
    tensor_info info{.name = name,
                     .dtype = value["dtype"].get<std::string>(),
                     .shape = whole_numbers(name, "shape", value["shape"]),
                     .begin = places[0],
                     .end = places[1]};
    check_extent(info, shown(value["shape"]));
    return info;
  }

  std::vector<index_t> whole_numbers(const std::string& name, const char* key, const nlohmann::json& value) const {
    if (!value.is_array()) fail(tensor(name), message(key, " ", shown(value)), "an array of whole numbers");
    std::vector<index_t> numbers;
    for (const auto& entry : value) {
      if (!entry.is_number_unsigned() || entry.get<std::uint64_t>() > std::numeric_limits<index_t>::max())
        fail(tensor(name), message(shown(entry), " in ", key), "a whole number from 0 to 2^63 - 1");
      numbers.push_back(entry.get<index_t>());
    }
    return numbers;
  }

  void check_extent(const tensor_info& info, const std::string& shape) const {
    const auto bytes = checked_product(info.shape, *dtype_bytes(info.dtype));
    if (!bytes) fail(tensor(info.name), "shape " + shape + " of " + info.dtype, "fewer than 2^63 bytes");
    if (info.begin > info.end || info.end > data_bytes_)
      fail(tensor(info.name), message("data_offsets [", info.begin, ", ", info.end, ")"),
           message("a range within the ", data_bytes_, " bytes of data in the file"));
    if (info.end - info.begin != *bytes)
      fail(tensor(info.name), message(info.end - info.begin, " bytes of data"),
           message(*bytes, " bytes for shape ", shape, " of ", info.dtype));
  }

  /// Sorts the tensors by place. They cover the data without a hole or an overlap.
  void check_places(std::vector<tensor_info>& tensors) const {
    std::sort(tensors.begin(), tensors.end(), [](const tensor_info& a, const tensor_info& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    index_t end = 0;
    for (const auto& info : tensors) {
      if (info.begin != end)
        fail(tensor(info.name), message(info.begin < end ? "an overlap" : "a hole", ", data at byte ", info.begin),
             message("byte ", end));
      end = info.end;
    }
    if (end != data_bytes_) fail("length", message(data_bytes_, " bytes of data"), message(end));
  }

  std::string file_;
  index_t data_bytes_;
};

/// The header's bytes: its length, then JSON filled up with spaces so that the data begins at a multiple of 8.
/// Throws `config_error` where a name or text is not valid UTF-8.
inline std::string header_text(const safetensors_header& header) {
  nlohmann::json root = nlohmann::json::object();
  if (!header.metadata.empty()) root[metadata_key] = header.metadata;
  for (const auto& info : header.tensors)
    root[info.name] = {{"dtype", info.dtype}, {"shape", info.shape}, {"data_offsets", {info.begin, info.end}}};
  std::string json;
  try {
    json = root.dump();
  } catch (const nlohmann::json::exception& e) {
    throw config_error(message("safetensors: found a name or metadata that is not UTF-8, expected UTF-8: ", e.what()));
  }
  json.resize((json.size() + 7) / 8 * 8, ' ');
  require<config_error>(json.size() <= most_header_bytes, "safetensors: found a header of ", json.size(),
                        " bytes, expected at most ", most_header_bytes);
  std::string text;
  for (int byte = 0; byte < 8; ++byte) text += static_cast<char>(json.size() >> (8 * byte) & 0xff);
  return text + json;
}

}  // namespace transfusion::detail
