// SPDX-License-Identifier: Apache-2.0
#include "support/idx.hpp"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "transfusion/core/error.hpp"

namespace support {
namespace fs = std::filesystem;
using transfusion::format_error;
using transfusion::io_error;
using transfusion::require;

namespace {

/// A gzip stream that names its file in every error; plain files pass through zlib unchanged.
class gzip_reader {
 public:
  explicit gzip_reader(const fs::path& file) : name_(file.string()) {
    std::error_code fault;
    require<io_error>(fs::exists(file, fault), name_, ": no such file");
    require<io_error>(!fs::is_directory(file, fault), name_, ": found a folder, expected a file");
    errno = 0;
    stream_.reset(gzopen(name_.c_str(), "rb"));
    require<io_error>(stream_ != nullptr, name_, ": cannot open: ", std::string_view(std::strerror(errno)));
  }

  /// Reads up to `size` bytes; fewer only at the end of the file.
  index_t read(void* out, index_t size) {
    const int n = gzread(stream_.get(), out, static_cast<unsigned>(size));
    int code = Z_OK;
    const char* const reason = gzerror(stream_.get(), &code);
    // zlib reports a stream cut in its middle as Z_BUF_ERROR beside the bytes that it still has.
    require<format_error>(n >= 0 && (code == Z_OK || code == Z_STREAM_END), name_, ": corrupt gzip data: ", reason);
    return n;
  }

  /// One big-endian 32-bit number of the header.
  std::uint32_t number(std::string_view what) {
    unsigned char b[4];
    const index_t n = read(b, 4);
    require<format_error>(n == 4, name_, ": ", what, ": found ", n, " bytes, expected 4");
    return static_cast<std::uint32_t>(b[0]) << 24 | static_cast<std::uint32_t>(b[1]) << 16 |
           static_cast<std::uint32_t>(b[2]) << 8 | b[3];
  }

  /// Exactly `size` bytes and then the end. Memory grows with what is read, so a lying header cannot exhaust it.
  std::vector<std::uint8_t> rest(index_t size) {
    std::vector<std::uint8_t> values;
    constexpr index_t block = index_t{1} << 20;
    for (index_t done = 0; done < size;) {
      const index_t wanted = std::min(block, size - done);
      values.resize(static_cast<std::size_t>(done + wanted));
      const index_t n = read(values.data() + done, wanted);
      require<format_error>(n > 0, name_, ": values: found ", done, " bytes, expected ", size);
      done += n;
    }
    unsigned char extra;
    require<format_error>(read(&extra, 1) == 0, name_, ": values: found more than the expected ", size, " bytes");
    return values;
  }

 private:
  struct close {
    void operator()(gzFile_s* stream) const { gzclose(stream); }
  };
  std::string name_;
  std::unique_ptr<gzFile_s, close> stream_;
};

}  // namespace

idx_array read_idx(const fs::path& file) {
  gzip_reader reader(file);
  const std::uint32_t magic = reader.number("magic");
  require<format_error>(magic >> 8 == 0x08, file.string(), ": IDX magic: found ", magic,
                        ", expected 2048 plus the number of dimensions (bytes, type 0x08)");
  const std::uint32_t rank = magic & 0xff;
  require<format_error>(rank >= 1 && rank <= 4, file.string(), ": dimensions: found ", rank, ", expected 1 to 4");
  idx_array array;
  constexpr index_t limit = index_t{1} << 34;
  index_t size = 1;
  for (std::uint32_t d = 0; d < rank; ++d) {
    const index_t extent = reader.number("extent");
    require<format_error>(extent == 0 || size <= limit / extent, file.string(), ": extent ", d, ": found ", extent,
                          ", expected at most ", limit, " values in all");
    size *= extent;
    array.extents.push_back(extent);
  }
  array.values = reader.rest(size);
  return array;
}

labelled_images read_labelled_images(const fs::path& images, const fs::path& labels, index_t classes) {
  idx_array pixels = read_idx(images);
  idx_array names = read_idx(labels);
  require<format_error>(pixels.extents.size() == 3, images.string(), ": dimensions: found ", pixels.extents.size(),
                        ", expected 3 (count, height, width)");
  require<format_error>(names.extents.size() == 1, labels.string(), ": dimensions: found ", names.extents.size(),
                        ", expected 1 (count)");
  require<format_error>(pixels.extents[0] == names.extents[0], labels.string(), ": found ", names.extents[0],
                        " labels, expected ", pixels.extents[0], ", one for each image of ", images.string());
  require<format_error>(!pixels.values.empty(), images.string(), ": found no pixels, expected images");
  for (std::size_t i = 0; i < names.values.size(); ++i)
    require<format_error>(names.values[i] < classes, labels.string(), ": label ", i, ": found ", +names.values[i],
                          ", expected less than ", classes);
  return {.count = pixels.extents[0],
          .height = pixels.extents[1],
          .width = pixels.extents[2],
          .pixels = std::move(pixels.values),
          .labels = std::move(names.values)};
}

labelled_images read_fashion_mnist(data_split split, const fs::path& folder) {
  std::error_code fault;
  require<io_error>(fs::is_directory(folder, fault), folder.string(),
                    ": no such folder, expected Fashion-MNIST (Debian package dataset-fashion-mnist)");
  const std::string name = split == data_split::train ? "train" : "t10k";
  return read_labelled_images(folder / (name + "-images-idx3-ubyte.gz"), folder / (name + "-labels-idx1-ubyte.gz"),
                              static_cast<index_t>(fashion_mnist_classes.size()));
}

std::string with_article(std::string_view noun) {
  const bool vowel = !noun.empty() && std::string_view("aeiou").find(noun.front()) != std::string_view::npos;
  return (vowel ? "an " : "a ") + std::string(noun);
}

}  // namespace support
