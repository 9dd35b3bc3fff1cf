// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_image_file
#include "support/image_file.hpp"

#include <boost/test/unit_test.hpp>
#include <numeric>

#include "encoded_images.hpp"
#include "files.hpp"
#include "transfusion/core/error.hpp"

using namespace support;
using files::check_throws;
using transfusion::config_error;
using transfusion::format_error;
using transfusion::io_error;

namespace {

/// Packed [H, W, C] values that differ in every place.
std::vector<std::uint8_t> pattern(int height, int width, int channels) {
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(height * width * channels));
  for (std::size_t i = 0; i < packed.size(); ++i) packed[i] = static_cast<std::uint8_t>((i * 37 + 11) % 256);
  return packed;
}

byte_image ramp(index_t height, index_t width) {
  byte_image image{{1, height, width}, {}};
  for (index_t y = 0; y < height; ++y)
    for (index_t x = 0; x < width; ++x) image.pixels.push_back(static_cast<std::uint8_t>(16 * y + x));
  return image;
}

}  // namespace

BOOST_AUTO_TEST_CASE(png_is_read_exactly_and_becomes_planar) {
  const files::temporary_folder folder;
  for (int channels = 1; channels <= 4; ++channels) {
    const auto packed = pattern(5, 7, channels);
    const byte_image image = decode_image(files::put(folder / "a.png", encoded::png(5, 7, channels, packed)));
    BOOST_REQUIRE((image.shape == image_shape{channels, 5, 7}));
    for (std::size_t p = 0; p < 35; ++p)
      for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c)
        BOOST_TEST(+image.pixels[c * 35 + p] == +packed[p * static_cast<std::size_t>(channels) + c]);
  }
}

BOOST_AUTO_TEST_CASE(jpeg_is_read_within_its_loss) {
  const files::temporary_folder folder;
  std::vector<std::uint8_t> packed;
  for (int p = 0; p < 32 * 48; ++p) packed.insert(packed.end(), {200, 120, 40});
  const auto file = files::put(folder / "a.jpg", encoded::jpeg(32, 48, 3, packed));
  const byte_image image = decode_image(file);
  BOOST_REQUIRE((image.shape == image_shape{3, 32, 48}));
  const int expected[] = {200, 120, 40};
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t p = 0; p < 32 * 48; ++p) BOOST_TEST(std::abs(image.pixels[c * 32 * 48 + p] - expected[c]) <= 4);
}

BOOST_AUTO_TEST_CASE(values_span_minus_one_to_one) {
  const byte_image image{{1, 1, 3}, {0, 255, 51}};
  const auto values = image.values();
  BOOST_TEST(values[0] == -1.0f);
  BOOST_TEST(values[1] == 1.0f);
  BOOST_TEST(std::abs(values[2] + 0.6f) < 1e-6f);
}

BOOST_AUTO_TEST_CASE(missing_empty_and_foreign_files_are_named) {
  const files::temporary_folder folder;
  check_throws<io_error>([&] { decode_image(folder / "none.png"); }, {"none.png", "no such file"});
  check_throws<io_error>([&] { decode_image(folder.path()); }, {"folder"});
  check_throws<format_error>([&] { decode_image(files::put(folder / "e.png", "")); }, {"e.png", "empty"});
  check_throws<format_error>([&] { decode_image(files::put(folder / "t.png", "hello, world")); },
                             {"t.png", "signature"});
}

BOOST_AUTO_TEST_CASE(every_cut_and_every_flipped_byte_of_a_png_is_found) {
  const files::temporary_folder folder;
  const std::string bytes = encoded::png(6, 6, 3, pattern(6, 6, 3));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = files::put(folder / "cut.png", bytes.substr(0, size));
    check_throws<format_error>([&] { decode_image(cut); }, {"cut.png"});
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x04);
    const auto file = files::put(folder / "flipped.png", flipped);
    check_throws<format_error>([&] { decode_image(file); }, {"flipped.png"});
  }
}

BOOST_AUTO_TEST_CASE(every_cut_of_a_jpeg_is_found) {
  const files::temporary_folder folder;
  const std::string bytes = encoded::jpeg(16, 16, 3, pattern(16, 16, 3));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = files::put(folder / "cut.jpg", bytes.substr(0, size));
    check_throws<format_error>([&] { decode_image(cut); }, {"cut.jpg"});
  }
  const auto file = files::put(folder / "trailing.jpg", bytes + "bytes that some cameras append");
  BOOST_TEST(decode_image(file).shape.height == 16);
}

BOOST_AUTO_TEST_CASE(an_image_too_large_to_be_true_is_refused_before_it_is_decoded) {
  const files::temporary_folder folder;
  std::string bytes = encoded::png(2, 2, 1, pattern(2, 2, 1));
  bytes.replace(16, 8, std::string("\x00\x08\x00\x00\x00\x08\x00\x00", 8));
  const auto crc = crc32(0, reinterpret_cast<const unsigned char*>(bytes.data()) + 12, 17);
  for (std::size_t i = 0; i < 4; ++i) bytes[29 + i] = static_cast<char>(crc >> (24 - 8 * i));
  const auto file = files::put(folder / "huge.png", bytes);
  check_throws<format_error>([&] { decode_image(file); }, {"huge.png", "524288×524288"});
}

BOOST_AUTO_TEST_CASE(a_wrong_channel_count_is_an_error_or_converted) {
  const files::temporary_folder folder;
  const auto write = [&](int channels, const std::vector<std::uint8_t>& packed) {
    return files::put(folder / "a.png", encoded::png(1, 1, channels, packed));
  };
  const auto convert = [&](index_t channels, const auto& file) {
    return load_image(file, {channels, 1, 1}, channel_rule::convert).pixels;
  };
  using bytes = std::vector<std::uint8_t>;
  const auto grey = write(1, {90});
  check_throws<format_error>([&] { load_image(grey, {3, 1, 1}); }, {"a.png", "found 1 channel (grey)", "expected 3"});
  BOOST_TEST(convert(3, grey) == (bytes{90, 90, 90}), boost::test_tools::per_element());
  const auto rgb = write(3, {10, 20, 30});
  check_throws<format_error>([&] { load_image(rgb, {1, 1, 1}); }, {"a.png", "found 3 channels (RGB)", "expected 1"});
  BOOST_TEST(convert(1, rgb) == (bytes{18}), boost::test_tools::per_element());  // 2.99 + 11.74 + 3.42
  BOOST_TEST(convert(3, rgb) == (bytes{10, 20, 30}), boost::test_tools::per_element());
  const auto rgba = write(4, {0, 255, 100, 51});  // one fifth opaque, on white
  check_throws<format_error>([&] { load_image(rgba, {3, 1, 1}); }, {"found 4 channels (RGBA)"});
  BOOST_TEST(convert(3, rgba) == (bytes{204, 255, 224}), boost::test_tools::per_element());
  const auto grey_alpha = write(2, {0, 0});
  check_throws<format_error>([&] { load_image(grey_alpha, {1, 1, 1}); }, {"found 2 channels"});
  BOOST_TEST(convert(1, grey_alpha) == (bytes{255}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_crop_is_the_middle) {
  const byte_image wide = centre_crop(ramp(2, 6), 1, 1);
  BOOST_REQUIRE((wide.shape == image_shape{1, 2, 2}));
  BOOST_TEST(wide.pixels == (std::vector<std::uint8_t>{2, 3, 18, 19}), boost::test_tools::per_element());
  const byte_image tall = centre_crop(ramp(6, 2), 7, 7);
  BOOST_REQUIRE((tall.shape == image_shape{1, 2, 2}));
  BOOST_TEST(tall.pixels == (std::vector<std::uint8_t>{32, 33, 48, 49}), boost::test_tools::per_element());
  BOOST_TEST((centre_crop(ramp(4, 8), 1, 2).shape == image_shape{1, 4, 8}));
  BOOST_TEST((centre_crop(ramp(4, 9), 100, 1).shape == image_shape{1, 4, 1}));
}

BOOST_AUTO_TEST_CASE(resizing_averages_and_keeps_what_is_flat) {
  const byte_image same = ramp(5, 4);
  BOOST_TEST(resize(same, 5, 4).pixels == same.pixels, boost::test_tools::per_element());
  // A checkerboard of the finest grain has no detail left at an eighth of its size.
  byte_image board{{1, 64, 64}, {}};
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x) board.pixels.push_back((x + y) % 2 == 0 ? 0 : 255);
  for (const auto v : resize(board, 8, 8).pixels) BOOST_TEST(std::abs(v - 127.5) <= 4.0);
  const byte_image flat{{3, 9, 5}, std::vector<std::uint8_t>(135, 77)};
  for (const index_t side : {1, 4, 23}) {
    const byte_image out = resize(flat, side, side);
    BOOST_TEST((out.shape == image_shape{3, side, side}));
    for (const auto v : out.pixels) BOOST_TEST(+v == 77);
  }
  // Planes do not mix and rows do not become columns.
  byte_image planes{{3, 4, 8}, {}};
  for (int c = 0; c < 3; ++c) planes.pixels.insert(planes.pixels.end(), 32, static_cast<std::uint8_t>(50 * c));
  for (int x = 0; x < 4; ++x) planes.pixels[static_cast<std::size_t>(x)] = 200;
  const byte_image half = resize(planes, 2, 4);
  BOOST_TEST(half.pixels[0] > 50);
  BOOST_TEST(+half.pixels[7] == 0);
  BOOST_TEST(+half.pixels[8] == 50);
  BOOST_TEST(+half.pixels[16] == 100);
}

BOOST_AUTO_TEST_CASE(load_is_crop_then_resize) {
  const files::temporary_folder folder;
  std::vector<std::uint8_t> packed;  // black, white, black thirds: the middle is white
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 60; ++x) packed.push_back(x >= 20 && x < 40 ? 255 : 0);
  const auto file = files::put(folder / "thirds.png", encoded::png(20, 60, 1, packed));
  const byte_image image = load_image(file, {1, 8, 8});
  BOOST_REQUIRE((image.shape == image_shape{1, 8, 8}));
  for (const auto v : image.pixels) BOOST_TEST(+v == 255);
  check_throws<config_error>([&] { load_image(file, {2, 8, 8}); }, {"[2, 8, 8]"});
  check_throws<config_error>([&] { load_image(file, {1, 0, 8}); }, {"[1, 0, 8]"});
}
