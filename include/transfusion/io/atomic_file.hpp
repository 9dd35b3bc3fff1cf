// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "transfusion/io/file_descriptor.hpp"

namespace transfusion {

/// A file that appears under its path whole or not at all: written beside it under another name, synced, renamed, and
/// its directory synced. Up to the rename, whatever throws, the file that stood there before is untouched; a file that
/// was not committed is removed with its owner. Every member throws `io_error` with the path and the system's reason.
class atomic_file {
 public:
  explicit atomic_file(std::filesystem::path path) : path_(std::move(path)), file_(create_beside(path_)) {}
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() {
    if (!committed_) ::unlink(file_.path().c_str());
  }

  /// The path under which the file will appear.
  const std::filesystem::path& path() const { return path_; }

  void write_at(std::uint64_t offset, const void* source, std::uint64_t bytes) {
    file_.write_at(offset, source, bytes);
  }

  /// Puts the file in place, on the device: contents first, then its name.
  void commit() {
    require<io_error>(!committed_, path_.string(), ": found a second commit, expected one");
    file_.sync();
    file_.close();
    if (std::rename(file_.path().c_str(), path_.c_str()) != 0) detail::throw_io_error(path_, "rename", errno);
    committed_ = true;
    const auto directory = path_.parent_path();
    detail::file_descriptor::open(directory.empty() ? "." : directory, O_RDONLY | O_DIRECTORY).sync();
  }

 private:
  static detail::file_descriptor create_beside(const std::filesystem::path& path) {
    // Another writer, or one that was killed, may own a name: take the next.
    for (int attempt = 0;; ++attempt) {
      auto name = path;
      name += detail::message(".", static_cast<long>(::getpid()), "-", attempt, ".tmp");
      if (auto file = detail::file_descriptor::create(std::move(name))) return std::move(*file);
    }
  }

  std::filesystem::path path_;
  detail::file_descriptor file_;
  bool committed_ = false;
};

}  // namespace transfusion
