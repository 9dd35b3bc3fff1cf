// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "transfusion/core/error.hpp"

namespace transfusion::detail {

/// Throws `io_error` with the path, what was tried, and the system's reason.
[[noreturn]] inline void throw_io_error(const std::filesystem::path& path, std::string_view tried, int reason) {
  throw io_error(message(path.string(), ": cannot ", tried, ": ", std::system_category().message(reason)));
}

/// An open file, closed with its owner. Reads and writes at explicit offsets are whole, or throw `io_error`.
class file_descriptor {
 public:
  /// Opens a file or directory that exists.
  static file_descriptor open(std::filesystem::path path, int flags) {
    const int fd = system_open(path, flags);
    if (fd < 0) throw_io_error(path, "open", errno);
    return {std::move(path), fd};
  }
  /// Creates a file to write, or returns nothing where one of that name exists.
  static std::optional<file_descriptor> create(std::filesystem::path path) {
    const int fd = system_open(path, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0 && errno == EEXIST) return std::nullopt;
    if (fd < 0) throw_io_error(path, "create", errno);
    return file_descriptor(std::move(path), fd);
  }
  file_descriptor(file_descriptor&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~file_descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  const std::filesystem::path& path() const { return path_; }

  /// Length in bytes. Throws `io_error` where the path is no regular file.
  std::uint64_t length() const {
    struct stat status = {};
    if (::fstat(fd_, &status) != 0) throw_io_error(path_, "read the length", errno);
    require<io_error>(S_ISREG(status.st_mode), path_.string(), ": found no regular file, expected one");
    return static_cast<std::uint64_t>(status.st_size);
  }
  void read_at(std::uint64_t offset, void* destination, std::uint64_t bytes) const {
    auto* to = static_cast<char*>(destination);
    transfer(bytes, "read", [&](std::uint64_t done) {
      return ::pread(fd_, to + done, bytes - done, static_cast<off_t>(offset + done));
    });
  }
  void write_at(std::uint64_t offset, const void* source, std::uint64_t bytes) {
    const auto* from = static_cast<const char*>(source);
    transfer(bytes, "write", [&](std::uint64_t done) {
      return ::pwrite(fd_, from + done, bytes - done, static_cast<off_t>(offset + done));
    });
  }
  /// Returns when the contents are on the device.
  void sync() {
    if (::fsync(fd_) != 0) throw_io_error(path_, "sync", errno);
  }
  void close() {
    if (::close(std::exchange(fd_, -1)) != 0) throw_io_error(path_, "close", errno);
  }

 private:
  file_descriptor(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}

  static int system_open(const std::filesystem::path& path, int flags) {
    int fd = -1;
    do fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
  }

  template <class Part>
  void transfer(std::uint64_t bytes, std::string_view tried, Part part) const {
    for (std::uint64_t done = 0; done < bytes;) {
      const auto moved = part(done);
      if (moved < 0 && errno == EINTR) continue;
      if (moved < 0) throw_io_error(path_, tried, errno);
      require<io_error>(moved > 0, path_.string(), ": cannot ", tried, ": found the end after ", done,
                        " bytes, expected ", bytes);
      done += static_cast<std::uint64_t>(moved);
    }
  }

  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace transfusion::detail
