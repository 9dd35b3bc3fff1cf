// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/io/atomic_file.hpp"
#include "transfusion/io/file_descriptor.hpp"
#include "transfusion/io/safetensors_header.hpp"
#include "transfusion/io/tensor_info.hpp"

namespace transfusion {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

namespace detail {

/// The tensors of one file by name.
class tensor_index {
 public:
  explicit tensor_index(const std::vector<tensor_info>& tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) places_.emplace(tensors[i].name, i);
  }
  bool contains(std::string_view name) const { return places_.find(name) != places_.end(); }
  /// The place of a tensor. Throws `Error` naming file and tensor where there is none.
  template <class Error>
  std::size_t at(const std::filesystem::path& file, std::string_view name) const {
    const auto found = places_.find(name);
    require<Error>(found != places_.end(), file.string(), ": tensor '", name,
                   "': found none of that name, expected one");
    return found->second;
  }

 private:
  std::map<std::string, std::size_t, std::less<>> places_;
};

template <class T, class Error>
void require_dtype(const std::filesystem::path& file, const tensor_info& info) {
  static_assert(dtype_bytes(dtype_of<T>) == static_cast<index_t>(sizeof(T)), "no safetensors type is known for T");
  require<Error>(info.dtype == dtype_of<T>, file.string(), ": tensor '", info.name, "': found ", info.dtype,
                 ", expected ", dtype_of<T>);
}

}  // namespace detail

/// Writes a safetensors file piece by piece: all tensors are named first, then their elements come in chunks, each
/// tensor's in order, the tensors in any order. The file appears with `commit`, whole (see `atomic_file`).
class safetensors_writer {
 public:
  /// Throws `config_error` where a name, type or shape is no valid one, `io_error` where the file cannot be created.
  safetensors_writer(std::filesystem::path path, std::vector<tensor_info> tensors,
                     std::map<std::string, std::string> metadata = {})
      : tensors_(placed(path, std::move(tensors))),
        written_(tensors_.size(), 0),
        index_(tensors_),
        file_(std::move(path)) {
    const std::string header = detail::header_text({tensors_, std::move(metadata)});
    first_byte_ = header.size();
    file_.write_at(0, header.data(), header.size());
  }

  /// Appends `count` elements to a tensor. Throws `config_error` where the tensor is unknown, of another type, or full.
  template <class T>
  void write(std::string_view name, const T* data, index_t count) {
    const std::size_t i = index_.at<config_error>(file_.path(), name);
    const tensor_info& info = tensors_[i];
    detail::require_dtype<T, config_error>(file_.path(), info);
    require<config_error>(count >= 0 && count <= info.size() - written_[i], file_.path().string(), ": tensor '", name,
                          "': found ", count, " more elements, expected at most ", info.size() - written_[i]);
    const auto element = static_cast<index_t>(sizeof(T));
    file_.write_at(first_byte_ + static_cast<std::uint64_t>(info.begin + written_[i] * element), data,
                   static_cast<std::uint64_t>(count * element));
    written_[i] += count;
  }

  /// Puts the file in place. Throws `config_error` where a tensor lacks elements.
  void commit() {
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      require<config_error>(written_[i] == tensors_[i].size(), file_.path().string(), ": tensor '", tensors_[i].name,
                            "': found ", written_[i], " elements, expected ", tensors_[i].size());
    file_.commit();
  }

 private:
  /// Wider elements first, so that each tensor lies at a multiple of its element in a mapped file.
  static std::vector<tensor_info> placed(const std::filesystem::path& path, std::vector<tensor_info> tensors) {
    for (const auto& info : tensors) check(path, info);
    std::stable_sort(tensors.begin(), tensors.end(), [](const tensor_info& a, const tensor_info& b) {
      return *dtype_bytes(a.dtype) > *dtype_bytes(b.dtype);
    });
    std::set<std::string> names;
    index_t end = 0;
    for (auto& info : tensors) {
      const std::string part = detail::message(path.string(), ": tensor '", info.name, "': found ");
      require<config_error>(names.insert(info.name).second, part, "the name twice, expected it once");
      const index_t bytes = *checked_product(info.shape, *dtype_bytes(info.dtype));
      require<config_error>(bytes <= INT64_MAX - end, part, "more than 2^63 bytes in all, expected fewer");
      info.begin = end;
      info.end = end += bytes;
    }
    return tensors;
  }
  static void check(const std::filesystem::path& path, const tensor_info& info) {
    const std::string part = detail::message(path.string(), ": tensor '", info.name, "': found ");
    require<config_error>(info.name != detail::metadata_key, part, "a reserved name, expected another");
    const auto element = dtype_bytes(info.dtype);
    require<config_error>(element.has_value(), part, "dtype '", info.dtype, "', expected a known one");
    require<config_error>(checked_product(info.shape, *element).has_value(), part,
                          "a negative extent or more than 2^63 bytes, expected a valid shape");
  }

  std::vector<tensor_info> tensors_;
  std::vector<index_t> written_;
  detail::tensor_index index_;
  atomic_file file_;
  std::uint64_t first_byte_ = 0;
};

/// An open safetensors file whose header has been checked. Reading is const and may run on several threads.
class safetensors_file {
 public:
  /// Throws `format_error` at the first fault of the header, `io_error` where the file cannot be read.
  explicit safetensors_file(const std::filesystem::path& path)
      : safetensors_file(detail::file_descriptor::open(path, O_RDONLY)) {}

  const std::filesystem::path& path() const { return file_.path(); }
  /// All tensors, in the order of their data.
  const std::vector<tensor_info>& infos() const { return contents_.header.tensors; }
  const std::map<std::string, std::string>& metadata() const { return contents_.header.metadata; }

  /// The tensor of that name, or null.
  const tensor_info* find(std::string_view name) const {
    return index_.contains(name) ? &contents_.header.tensors[index_.at<format_error>(path(), name)] : nullptr;
  }

  /// Reads a whole tensor of `count` elements. Throws `format_error` where it is missing, of another type or size.
  template <class T>
  void read(std::string_view name, T* destination, index_t count) const {
    const tensor_info& info = checked<T>(name);
    require<format_error>(count == info.size(), path().string(), ": tensor '", name, "': found ", info.size(),
                          " elements, expected ", count);
    read_range(name, 0, destination, count);
  }

  /// Reads the elements [first, first + count) of a tensor, for those who stream it elsewhere.
  template <class T>
  void read_range(std::string_view name, index_t first, T* destination, index_t count) const {
    const tensor_info& info = checked<T>(name);
    require<format_error>(first >= 0 && count >= 0 && first <= info.size() && count <= info.size() - first,
                          path().string(), ": tensor '", name, "': found ", info.size(), " elements, expected ", count,
                          " from ", first);
    const auto element = static_cast<index_t>(sizeof(T));
    file_.read_at(contents_.first_byte + static_cast<std::uint64_t>(info.begin + first * element), destination,
                  static_cast<std::uint64_t>(count * element));
  }

 private:
  struct contents {
    detail::safetensors_header header;
    std::uint64_t first_byte = 0;
  };

  explicit safetensors_file(detail::file_descriptor file)
      : file_(std::move(file)), contents_(read_header(file_)), index_(contents_.header.tensors) {}

  static contents read_header(const detail::file_descriptor& file) {
    const std::uint64_t length = file.length();
    require<format_error>(length >= 8, file.path().string(), ": length: found ", length, " bytes, expected at least 8");
    std::string text(read_header_bytes(file, length), ' ');
    file.read_at(8, text.data(), text.size());
    const std::uint64_t first_byte = 8 + text.size();
    return {detail::safetensors_header_parser(file.path(), length - first_byte).parse(text), first_byte};
  }
  static std::uint64_t read_header_bytes(const detail::file_descriptor& file, std::uint64_t length) {
    unsigned char bytes[8];
    file.read_at(0, bytes, 8);
    std::uint64_t size = 0;
    for (int i = 7; i >= 0; --i) size = size << 8 | bytes[i];
    const std::uint64_t most = std::min(detail::most_header_bytes, length - 8);
    require<format_error>(size <= most, file.path().string(), ": header: found a length of ", size,
                          " bytes, expected at most ", most);
    return size;
  }
  template <class T>
  const tensor_info& checked(std::string_view name) const {
    const tensor_info& info = contents_.header.tensors[index_.at<format_error>(path(), name)];
    detail::require_dtype<T, format_error>(path(), info);
    return info;
  }

  detail::file_descriptor file_;
  contents contents_;
  detail::tensor_index index_;
};

}  // namespace transfusion
