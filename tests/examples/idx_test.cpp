// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_idx
#include "support/idx.hpp"

#include <boost/test/unit_test.hpp>

#include "files.hpp"
#include "transfusion/core/error.hpp"

using namespace support;
using files::check_throws;
using transfusion::format_error;
using transfusion::io_error;

namespace {

std::string number(std::uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

/// Three images of 2×3 with the bytes 0…17.
std::string three_images() {
  std::string bytes = number(0x803) + number(3) + number(2) + number(3);
  for (char v = 0; v < 18; ++v) bytes += v;
  return bytes;
}

std::string labels(std::string_view values) {
  return number(0x801) + number(static_cast<std::uint32_t>(values.size())) + std::string(values);
}

}  // namespace

BOOST_AUTO_TEST_CASE(reads_gzipped_and_plain_files_alike) {
  const files::temporary_folder folder;
  const auto packed = files::put_gzip(folder / "packed.gz", three_images());
  const auto plain = files::put(folder / "plain", three_images());
  const auto names = files::put_gzip(folder / "labels.gz", labels({"\x04\x00\x09", 3}));
  for (const auto& file : {packed, plain}) {
    const auto set = read_labelled_images(file, names, 10);
    BOOST_TEST(set.count == 3);
    BOOST_TEST(set.height == 2);
    BOOST_TEST(set.width == 3);
    BOOST_TEST(set.image(1).size() == 6u);
    BOOST_TEST(+set.image(1)[0] == 6);
    BOOST_TEST(+set.image(2)[5] == 17);
    BOOST_TEST(set.label(0) == 4);
    BOOST_TEST(set.label(2) == 9);
    std::vector<float> values(6);
    set.values(2, values);
    BOOST_TEST(values[5] == -221.0f / 255.0f);
  }
}

BOOST_AUTO_TEST_CASE(pixels_survive_the_way_to_floats_and_back) {
  for (int v = 0; v < 256; ++v) {
    const auto pixel = static_cast<std::uint8_t>(v);
    BOOST_TEST(+to_pixel(to_signed_unit(pixel)) == v);
  }
  BOOST_TEST(to_signed_unit(0) == -1.0f);
  BOOST_TEST(to_signed_unit(255) == 1.0f);
  BOOST_TEST(+to_pixel(-7.0f) == 0);
  BOOST_TEST(+to_pixel(7.0f) == 255);
}

BOOST_AUTO_TEST_CASE(a_missing_file_and_a_folder_are_named) {
  const files::temporary_folder folder;
  check_throws<io_error>([&] { read_idx(folder / "none.gz"); }, {"none.gz", "no such file"});
  check_throws<io_error>([&] { read_idx(folder.path()); }, {folder.path().string(), "folder"});
  check_throws<io_error>([&] { read_fashion_mnist(data_split::test, folder / "none"); },
                         {"none", "dataset-fashion-mnist"});
  check_throws<io_error>([&] { read_fashion_mnist(data_split::test, folder.path()); }, {"t10k-images-idx3-ubyte.gz"});
}

BOOST_AUTO_TEST_CASE(a_wrong_header_is_named) {
  const files::temporary_folder folder;
  const auto read = [&](const std::string& bytes) {
    return [file = files::put(folder / "f", bytes)] { read_idx(file); };
  };
  check_throws<format_error>(read(number(0xD03) + number(1)), {"magic", "found 3331", "2048"});  // floats
  check_throws<format_error>(read(number(0x800)), {"dimensions", "found 0"});
  check_throws<format_error>(read(number(0x805)), {"dimensions", "found 5"});
  check_throws<format_error>(read(std::string(2, '\0')), {"magic", "found 2 bytes, expected 4"});
  check_throws<format_error>(read(""), {"magic", "found 0 bytes"});
  check_throws<format_error>(read(number(0x802) + number(4)), {"extent", "found 0 bytes"});
  check_throws<format_error>(read(number(0x803) + number(~0u) + number(~0u) + number(~0u)), {"extent 1", "4294967295"});
}

BOOST_AUTO_TEST_CASE(missing_and_spare_values_are_counted) {
  const files::temporary_folder folder;
  const std::string whole = three_images();
  const auto cut = files::put_gzip(folder / "cut.gz", whole.substr(0, whole.size() - 4));
  check_throws<format_error>([&] { read_idx(cut); }, {"cut.gz", "found 14 bytes, expected 18"});
  const auto longer = files::put_gzip(folder / "longer.gz", whole + "x");
  check_throws<format_error>([&] { read_idx(longer); }, {"longer.gz", "more than the expected 18"});
  // A header that promises 16 GiB must fail on what is there, not on memory.
  const auto liar = files::put(folder / "liar", number(0x801) + number(~0u) + "abc");
  check_throws<format_error>([&] { read_idx(liar); }, {"found 3 bytes, expected 4294967295"});
}

BOOST_AUTO_TEST_CASE(every_cut_and_every_flipped_byte_of_a_gzip_file_is_found) {
  const files::temporary_folder folder;
  const std::string bytes = support::read_file(files::put_gzip(folder / "whole.gz", three_images()));
  BOOST_TEST(read_idx(folder / "whole.gz").values.size() == 18u);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = files::put(folder / "cut.gz", bytes.substr(0, size));
    BOOST_CHECK_THROW(read_idx(cut), format_error);
  }
  // Behind gzip's header, whose time and system carry no data, and but for the bits that fill up deflate's last byte.
  const std::size_t last_deflate_byte = bytes.size() - 9;
  for (std::size_t i = 10; i < bytes.size(); ++i) {
    if (i == last_deflate_byte) continue;
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    const auto file = files::put(folder / "flipped.gz", flipped);
    BOOST_TEST_INFO("byte " << i << " of " << bytes.size());
    BOOST_CHECK_THROW(read_idx(file), format_error);
  }
}

BOOST_AUTO_TEST_CASE(images_and_labels_must_fit_together) {
  const files::temporary_folder folder;
  const auto images = files::put(folder / "images", three_images());
  const auto pair = [&](const std::string& names) {
    return [&, file = files::put(folder / "labels", names)] { read_labelled_images(images, file, 10); };
  };
  check_throws<format_error>(pair(labels("\x01\x02")), {"labels", "found 2 labels, expected 3"});
  check_throws<format_error>(pair(labels("\x01\x02\x0a")), {"label 2", "found 10", "less than 10"});
  check_throws<format_error>(pair(three_images()), {"dimensions", "found 3, expected 1"});
  check_throws<format_error>([&] { read_labelled_images(folder / "images", images, 10); }, {"dimensions"});
  const auto empty = files::put(folder / "empty", number(0x803) + number(0) + number(2) + number(3));
  const auto none = files::put(folder / "none", labels(""));
  check_throws<format_error>([&] { read_labelled_images(empty, none, 10); }, {"empty", "no pixels"});
}

BOOST_AUTO_TEST_CASE(articles) {
  BOOST_TEST(with_article("ankle boot") == "an ankle boot");
  BOOST_TEST(with_article("t-shirt") == "a t-shirt");
}

BOOST_AUTO_TEST_CASE(fashion_mnist_is_what_its_page_says) {
  if (!files::fs::is_directory(fashion_mnist_folder)) {
    BOOST_TEST_MESSAGE("dataset-fashion-mnist is not installed: left out");
    return;
  }
  const auto test = read_fashion_mnist(data_split::test);
  BOOST_TEST(test.count == 10000);
  BOOST_TEST(test.height == 28);
  BOOST_TEST(test.width == 28);
  std::vector<int> counts(10);
  for (const auto label : test.labels) ++counts[label];
  for (const int count : counts) BOOST_TEST(count == 1000);
  BOOST_TEST(fashion_mnist_classes[static_cast<std::size_t>(test.label(0))] == "ankle boot");
}
