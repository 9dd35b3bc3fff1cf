// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_captions
#include "support/captions.hpp"

#include <boost/test/unit_test.hpp>

#include "encoded_images.hpp"
#include "files.hpp"
#include "transfusion/core/error.hpp"

using namespace support;
using files::check_throws;
using transfusion::format_error;
using transfusion::io_error;

namespace {

constexpr const char* good_line = R"({"file": "a.png", "caption": "a red square"})";

/// A folder with two good images, a corrupt one and a grey one.
struct folder_fixture {
  files::temporary_folder folder;
  caption_options options{.image = {3, 4, 4}};

  folder_fixture() {
    const std::string png = encoded::png(4, 4, 3, std::vector<std::uint8_t>(48, 200));
    files::put(folder / "a.png", png);
    files::put(folder / "b.png", encoded::png(8, 6, 3, std::vector<std::uint8_t>(144, 10)));
    files::put(folder / "corrupt.png", png.substr(0, png.size() / 2));
    files::put(folder / "grey.png", encoded::png(4, 4, 1, std::vector<std::uint8_t>(16, 10)));
  }
  captioned_folder read(const std::string& lines) {
    files::put(folder / "captions.jsonl", lines);
    return read_captions(folder.path(), options);
  }
};

struct fault {
  std::string line;
  std::string_view reason;
};

const std::vector<fault>& format_faults() {
  static const std::vector<fault> faults = {
      {R"({"file": "a.png", "caption": )", "not JSON"},
      {R"(["a.png", "a square"])", "found array"},
      {R"({"file": "a.png"})", "\"caption\": found none"},
      {R"({"caption": "a square"})", "\"file\": found none"},
      {R"({"file": "a.png", "caption": ""})", "\"caption\": found an empty text"},
      {R"({"file": "a.png", "caption": " \t "})", "\"caption\": found an empty text"},
      {R"({"file": "a.png", "caption": 7})", "\"caption\": found number"},
      {R"({"file": "corrupt.png", "caption": "x"})", "corrupt.png"},
      {R"({"file": "grey.png", "caption": "x"})", "grey.png: found 1 channel"},
      {"{\"file\": \"a.png\", \"caption\": \"\xff\"}", "not JSON"},
  };
  return faults;
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(reads_lines_and_images, folder_fixture) {
  const auto set =
      read(std::string(good_line) + "\r\n\n" + R"({"caption": " a dark one ", "file": "b.png", "more": 1})");
  BOOST_REQUIRE(set.items.size() == 2u);
  BOOST_TEST(set.skipped.empty());
  BOOST_TEST(set.items[0].file == "a.png");
  BOOST_TEST(set.items[0].line == 1);
  BOOST_TEST(+set.items[0].image.pixels[0] == 200);
  BOOST_TEST(set.items[1].line == 3);
  BOOST_TEST((set.items[1].image.shape == image_shape{3, 4, 4}));
  BOOST_TEST(set.captions() == (std::vector<std::string>{"a red square", "a dark one"}),
             boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(each_fault_names_the_line_and_the_reason, folder_fixture) {
  for (const fault& f : format_faults())
    check_throws<format_error>([&] { read(std::string(good_line) + "\n" + f.line + "\n"); },
                               {"captions.jsonl:2: ", f.reason});
  check_throws<io_error>([&] { read(R"({"file": "none.png", "caption": "x"})"); },
                         {"captions.jsonl:1: ", "none.png", "no such file"});
}

BOOST_FIXTURE_TEST_CASE(skipped_faults_are_counted_with_their_reason, folder_fixture) {
  options.skip_bad = true;
  std::string lines;
  for (const fault& f : format_faults()) lines += f.line + "\n" + good_line + "\n";
  const auto set = read(lines + R"({"file": "none.png", "caption": "x"})");
  const std::size_t faults = format_faults().size();
  BOOST_TEST(set.items.size() == faults);
  BOOST_REQUIRE(set.skipped.size() == faults + 1);
  for (std::size_t i = 0; i < faults; ++i) {
    BOOST_TEST(set.skipped[i].line == static_cast<index_t>(2 * i + 1));
    BOOST_TEST(set.skipped[i].reason.find(format_faults()[i].reason) != std::string::npos, set.skipped[i].reason);
  }
  BOOST_TEST(set.skipped.back().reason.find("none.png") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(channels_are_converted_when_asked, folder_fixture) {
  options.channels = channel_rule::convert;
  const auto set = read(R"({"file": "grey.png", "caption": "x"})");
  BOOST_TEST((set.items[0].image.shape == image_shape{3, 4, 4}));
}

BOOST_FIXTURE_TEST_CASE(a_folder_without_a_usable_line_is_an_error, folder_fixture) {
  check_throws<format_error>([&] { read(""); }, {"captions.jsonl", "no usable line"});
  options.skip_bad = true;
  check_throws<format_error>([&] { read("x\ny\n"); }, {"no usable line among 2 (2 skipped)"});
  check_throws<io_error>([&] { read_captions(folder / "none"); }, {"captions.jsonl", "no such file"});
}
