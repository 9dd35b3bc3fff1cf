// SPDX-License-Identifier: Apache-2.0
#include "support/file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "transfusion/core/error.hpp"
#include "transfusion/io/atomic_file.hpp"

namespace support {
namespace fs = std::filesystem;
using transfusion::io_error;
using transfusion::require;

std::string read_file(const fs::path& file) {
  std::error_code fault;
  require<io_error>(fs::exists(file, fault), file.string(), ": no such file");
  require<io_error>(!fs::is_directory(file, fault), file.string(), ": found a folder, expected a file");
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  require<io_error>(in.is_open(), file.string(), ": cannot open: ", std::string_view(std::strerror(errno)));
  std::string bytes;
  char block[1 << 16];
  while (in.read(block, sizeof block) || in.gcount() > 0) bytes.append(block, static_cast<std::size_t>(in.gcount()));
  require<io_error>(!in.bad(), file.string(), ": cannot read: ", std::string_view(std::strerror(errno)));
  return bytes;
}

void write_file(const fs::path& file, std::string_view bytes) {
  transfusion::atomic_file out(file);
  out.write_at(0, bytes.data(), bytes.size());
  out.commit();
}

}  // namespace support
