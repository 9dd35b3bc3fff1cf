// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>
#include <zlib.h>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/file.hpp"
#include "support/temporary_folder.hpp"

namespace files {
namespace fs = std::filesystem;

/// A folder of its own for one test case, removed at its end.
class temporary_folder {
 public:
  fs::path operator/(std::string_view name) const { return folder_.path / name; }
  const fs::path& path() const { return folder_.path; }
  std::size_t count() const { return static_cast<std::size_t>(folder_.files()); }

 private:
  test_support::folder folder_;
};

/// Writes bytes as they are.
inline fs::path put(const fs::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return file;
}

/// Writes bytes through gzip.
inline fs::path put_gzip(const fs::path& file, std::string_view bytes) {
  gzFile out = gzopen(file.c_str(), "wb");
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
  return file;
}

/// Runs `action` and checks that it throws exactly `Error` with every part in its message.
template <class Error, class Action>
void check_throws(Action action, std::initializer_list<std::string_view> parts) {
  try {
    action();
    BOOST_ERROR("nothing was thrown");
  } catch (const Error& fault) {
    for (const std::string_view part : parts)
      BOOST_TEST(std::string_view(fault.what()).find(part) != std::string_view::npos,
                 "\"" << part << "\" is not in: " << fault.what());
  }
}

}  // namespace files
