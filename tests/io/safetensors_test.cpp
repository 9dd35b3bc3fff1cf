// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE io_safetensors
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sstream>
#include <thread>

#include "support/temporary_folder.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/io/safetensors.hpp"

namespace tf = transfusion;
namespace fs = std::filesystem;

namespace {

using test_support::bytes_of;
using test_support::folder;

void put(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// A file with this header, whatever it says, and so many bytes of data.
std::string file_of(const std::string& header, std::size_t data_bytes) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header + std::string(data_bytes, '\1');
}

template <class Error, class Call>
void fails_saying(Call call, const std::vector<std::string>& words) {
  BOOST_CHECK_EXCEPTION(call(), Error, [&](const Error& e) {
    for (const auto& word : words)
      if (std::string(e.what()).find(word) == std::string::npos) {
        BOOST_TEST_MESSAGE("'" << word << "' is not in: " << e.what());
        return false;
      }
    return true;
  });
}

struct fixture {
  folder at;
  fs::path path = at / "weights.safetensors";
  std::vector<float> weights = std::vector<float>(3 * 5);
  std::vector<double> moments = {1.0 / 3, -2e300, 0};
  std::vector<std::int64_t> counts = {-1, INT64_MAX};

  fixture() { std::iota(weights.begin(), weights.end(), -7.25f); }

  std::vector<tf::tensor_info> infos() const {
    return {tf::tensor_info::of<float>("blocks.3.attention.wq", {3, 5}), tf::tensor_info::of<double>("moments", {3}),
            tf::tensor_info::of<std::int64_t>("counts", {2, 1}), tf::tensor_info::of<float>("none", {4, 0}),
            tf::tensor_info::of<double>("single", {})};
  }
  void write() const {
    tf::safetensors_writer writer(path, infos(), {{"step", "40"}, {"config", R"({"name": "naïve \" quote"})"}});
    writer.write("counts", counts.data(), 2);
    writer.write("blocks.3.attention.wq", weights.data(), 4);
    writer.write("moments", moments.data(), 3);
    writer.write("blocks.3.attention.wq", weights.data() + 4, 11);
    writer.write("single", moments.data(), 1);
    writer.commit();
  }
  void open() const { tf::safetensors_file file(path); }
};

const std::string good_header =
    R"({"__metadata__":{"step":"40"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
    R"("b":{"dtype":"F64","shape":[2],"data_offsets":[24,40]}})";

/// The good header with the first `from` replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string header = good_header;
  const auto at = header.find(from);
  BOOST_REQUIRE(at != std::string::npos);
  return header.replace(at, from.size(), to);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(safetensors, fixture)

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
  write();
  const tf::safetensors_file file(path);
  std::vector<float> found(15);
  file.read("blocks.3.attention.wq", found.data(), 15);
  BOOST_TEST(found == weights);
  std::vector<double> found_moments(3);
  file.read("moments", found_moments.data(), 3);
  BOOST_TEST(found_moments == moments);
  std::vector<std::int64_t> found_counts(2);
  file.read("counts", found_counts.data(), 2);
  BOOST_TEST(found_counts == counts);
  file.read("none", static_cast<float*>(nullptr), 0);
  double single = 0;
  file.read("single", &single, 1);
  BOOST_TEST(single == moments[0]);

  BOOST_TEST(file.metadata().size() == 2u);
  BOOST_TEST(file.metadata().at("step") == "40");
  BOOST_TEST(file.metadata().at("config") == R"({"name": "naïve \" quote"})");
  BOOST_TEST(file.infos().size() == 5u);
  BOOST_REQUIRE(file.find("blocks.3.attention.wq") != nullptr);
  BOOST_TEST(file.find("blocks.3.attention.wq")->shape == (std::vector<tf::index_t>{3, 5}));
  BOOST_TEST(file.find("blocks.3.attention.wq")->dtype == "F32");
  BOOST_TEST(file.find("single")->size() == 1);
  BOOST_TEST(file.find("blocks.3") == nullptr);
}

BOOST_AUTO_TEST_CASE(a_range_is_read_without_the_rest) {
  write();
  const tf::safetensors_file file(path);
  float found[3] = {};
  file.read_range("blocks.3.attention.wq", 12, found, 3);
  BOOST_TEST(std::memcmp(found, weights.data() + 12, sizeof found) == 0);
  fails_saying<tf::format_error>([&] { file.read_range("blocks.3.attention.wq", 13, found, 3); }, {"15", "3 from 13"});
  fails_saying<tf::format_error>([&] { file.read_range("blocks.3.attention.wq", -1, found, 3); }, {"from -1"});
}

BOOST_AUTO_TEST_CASE(the_same_contents_give_the_same_bytes) {
  write();
  const auto first = bytes_of(path);
  write();
  BOOST_TEST((first == bytes_of(path)));
}

BOOST_AUTO_TEST_CASE(data_and_every_tensor_lie_aligned) {
  write();
  const auto bytes = bytes_of(path);
  const auto header_bytes = static_cast<unsigned char>(bytes[0]) + 256u * static_cast<unsigned char>(bytes[1]);
  BOOST_TEST(header_bytes % 8 == 0u);
  BOOST_TEST(bytes[8] == '{');
  const tf::safetensors_file file(path);
  tf::index_t end = 0;
  for (const auto& info : file.infos()) {
    BOOST_TEST(info.begin == end);
    BOOST_TEST(info.begin % *tf::dtype_bytes(info.dtype) == 0);
    end = info.end;
  }
  BOOST_TEST(static_cast<tf::index_t>(bytes.size()) == 8 + static_cast<tf::index_t>(header_bytes) + end);
}

BOOST_AUTO_TEST_CASE(a_file_may_hold_no_tensor) {
  tf::safetensors_writer(path, {}).commit();
  const tf::safetensors_file file(path);
  BOOST_TEST(file.infos().empty());
  BOOST_TEST(file.metadata().empty());
}

BOOST_AUTO_TEST_CASE(several_threads_read_one_file) {
  write();
  const tf::safetensors_file file(path);
  std::vector<int> equal(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < equal.size(); ++t)
    threads.emplace_back([&, t] {
      std::vector<float> found(15);
      for (int repeat = 0; repeat < 100; ++repeat) {
        file.read("blocks.3.attention.wq", found.data(), 15);
        equal[t] += found == weights;
      }
    });
  for (auto& thread : threads) thread.join();
  for (const int count : equal) BOOST_TEST(count == 100);
}

BOOST_AUTO_TEST_CASE(a_read_of_another_name_type_or_size_is_an_error) {
  write();
  const tf::safetensors_file file(path);
  std::vector<float> f(20);
  std::vector<double> d(20);
  fails_saying<tf::format_error>([&] { file.read("blocks.4.attention.wq", f.data(), 15); },
                                 {"weights.safetensors", "'blocks.4.attention.wq'", "found none"});
  fails_saying<tf::format_error>([&] { file.read("moments", f.data(), 3); },
                                 {"'moments'", "found F64", "expected F32"});
  fails_saying<tf::format_error>([&] { file.read("moments", d.data(), 4); }, {"found 3 elements", "expected 4"});
}

BOOST_AUTO_TEST_CASE(a_faulty_header_is_an_error_that_names_file_tensor_found_and_expected) {
  put(path, file_of(good_header, 40));
  BOOST_TEST(tf::safetensors_file(path).infos().size() == 2u);

  struct fault {
    std::string header;
    std::vector<std::string> words;
  };
  const fault faults[] = {
      {with(R"("F32")", R"("F33")"), {"tensor 'a'", R"(dtype "F33")", "a known one"}},
      {with(R"("F32")", "32"), {"tensor 'a'", "dtype 32"}},
      {with(R"("dtype":"F32",)", ""), {"tensor 'a'", "no dtype"}},
      {with(R"("shape":[2,3],)", ""), {"tensor 'a'", "no shape"}},
      {with(R"(,"data_offsets":[0,24])", ""), {"tensor 'a'", "no data_offsets"}},
      {with("[2,3]", "[2,4]"), {"tensor 'a'", "found 24 bytes", "32 bytes for shape [2,4] of F32"}},
      {with("[2,3]", "[]"), {"tensor 'a'", "found 24 bytes", "4 bytes"}},
      {with("[2,3]", "[2,-3]"), {"tensor 'a'", "-3 in shape"}},
      {with("[2,3]", "[2,3.0]"), {"tensor 'a'", "3.0 in shape"}},
      {with("[2,3]", R"([2,"3"])"), {"tensor 'a'", R"("3" in shape)"}},
      {with("[2,3]", "6"), {"tensor 'a'", "shape 6", "an array"}},
      {with("[2,3]", "[9223372036854775808]"), {"tensor 'a'", "9223372036854775808 in shape"}},
      {with("[2,3]", "[4294967296,4294967296]"), {"tensor 'a'", "4294967296", "fewer than 2^63 bytes"}},
      {with("[2,3]", "[2305843009213693952]"), {"tensor 'a'", "fewer than 2^63 bytes"}},
      {with("[0,24]", "[24,0]"), {"tensor 'a'", "[24, 0)"}},
      {with("[0,24]", "[0,24,40]"), {"tensor 'a'", "3 data_offsets", "2"}},
      {with("[0,24]", "[]"), {"tensor 'a'", "0 data_offsets"}},
      {with("[0,24]", "[0,20]"), {"tensor 'a'", "found 20 bytes", "24 bytes"}},
      {with("[24,40]", "[32,48]"), {"tensor 'b'", "[32, 48)", "within the 40 bytes"}},
      {with("[24,40]", "[16,32]"), {"tensor 'b'", "an overlap", "byte 16", "byte 24"}},
      {with("[0,24]", "[8,32]"), {"tensor 'a'", "a hole", "byte 8", "byte 0"}},
      {with(R"("b")", R"("a")"), {R"(the name "a" twice)"}},
      {with(R"("dtype":"F32")", R"("dtype":"F32","dtype":"F32")"), {R"(the name "dtype" twice)"}},
      {with(R"("step":"40")", R"("step":"40","step":"41")"), {R"(the name "step" twice)"}},
      {with(R"("40")", "40"), {"__metadata__ 'step'", "found 40", "a string"}},
      {with(R"({"step":"40"})", "[]"), {"__metadata__", "found []"}},
      {with(R"({"dtype":"F32","shape":[2,3],"data_offsets":[0,24]})", "7"), {"tensor 'a'", "found 7", "an object"}},
      {with("[2,3]", "[[[[[2]]]]]"), {"nested deeper"}},
      {with("}}", "}"), {"no valid JSON"}},
      {with("}}", "}},"), {"no valid JSON"}},
      {with(R"("a":)", "\"\xff\":"), {"no valid JSON"}},
      {" " + good_header, {"does not begin with '{'"}},
      {"[]", {"does not begin with '{'"}},
      {"", {"does not begin with '{'"}},
      {"{}", {"found 40 bytes of data", "expected 0"}},
  };
  for (const auto& [header, words] : faults) {
    BOOST_TEST_CONTEXT(header) {
      put(path, file_of(header, 40));
      auto all = words;
      for (const char* always : {"weights.safetensors: ", "found", "expected"}) all.emplace_back(always);
      fails_saying<tf::format_error>([&] { open(); }, all);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_file_of_the_wrong_length_is_an_error) {
  put(path, file_of(good_header, 41));
  fails_saying<tf::format_error>([&] { open(); }, {"length", "found 41", "expected 40"});
  put(path, file_of(good_header, 39));
  fails_saying<tf::format_error>([&] { open(); }, {"tensor 'b'", "within the 39 bytes"});
  put(path, "");
  fails_saying<tf::format_error>([&] { open(); }, {"found 0 bytes", "at least 8"});
  put(path, std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8) + "{}");
  fails_saying<tf::format_error>([&] { open(); }, {"header", "18446744073709551615", "at most 2"});
}

BOOST_AUTO_TEST_CASE(a_header_beyond_the_limit_is_not_read) {
  put(path, std::string("\x01\xe1\xf5\x05\0\0\0\0", 8));  // 100,000,001
  fs::resize_file(path, 200'000'000);
  fails_saying<tf::format_error>([&] { open(); }, {"100000001", "at most 100000000"});
}

BOOST_AUTO_TEST_CASE(a_missing_file_and_a_folder_are_errors) {
  fails_saying<tf::io_error>([&] { open(); }, {"weights.safetensors", "cannot open", "No such file"});
  fs::create_directory(path);
  fails_saying<tf::io_error>([&] { open(); }, {"weights.safetensors", "no regular file"});
}

BOOST_AUTO_TEST_CASE(a_damaged_file_never_does_more_than_throw) {
  write();
  const std::string good = bytes_of(path);
  const tf::random_key key{.seed = 11};
  std::uint64_t draw = 0;
  int refused = 0, read = 0;
  const auto below = [&](std::size_t n) {
    return static_cast<std::size_t>(key.below(draw++, static_cast<tf::index_t>(n)));
  };
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = good;
    for (std::size_t flips = below(4) + 1; flips > 0; --flips)
      bytes[below(bytes.size())] = static_cast<char>(key.bits(draw++));
    if (round % 4 == 0) bytes.resize(below(bytes.size()));
    put(path, bytes);
    try {
      const tf::safetensors_file file(path);
      for (const auto& info : file.infos())
        if (info.dtype == "F32") {
          std::vector<float> values(static_cast<std::size_t>(info.size()));
          file.read(info.name, values.data(), info.size());
        }
      ++read;
    } catch (const tf::format_error&) {
      ++refused;
    }
  }
  BOOST_TEST(refused > 1000);
  BOOST_TEST(read > 10);
}

BOOST_AUTO_TEST_CASE(a_writer_refuses_what_no_file_can_hold) {
  using tf::safetensors_writer;
  using tf::tensor_info;
  const auto make = [&](std::vector<tensor_info> infos) { safetensors_writer writer(path, std::move(infos)); };
  const auto f = [](const char* name, std::vector<tf::index_t> shape) { return tensor_info::of<float>(name, shape); };
  fails_saying<tf::config_error>([&] { make({f("a", {1}), f("a", {2})}); }, {"'a'", "the name twice"});
  fails_saying<tf::config_error>([&] { make({f("__metadata__", {1})}); }, {"reserved"});
  fails_saying<tf::config_error>([&] { make({f("a", {2, -1})}); }, {"'a'", "negative extent"});
  fails_saying<tf::config_error>([&] { make({f("a", {INT64_MAX})}); }, {"more than 2^63 bytes"});
  fails_saying<tf::config_error>(
      [&] {
        make({f("a", {INT64_MAX / 4}), f("b", {INT64_MAX / 4}), f("c", {9})});
      },
      {"'b'", "in all"});
  fails_saying<tf::config_error>([&] { make({{.name = "a", .dtype = "F31", .shape = {1}}}); }, {"'F31'"});
  fails_saying<tf::config_error>([&] { make({f("\xff", {1})}); }, {"not UTF-8"});
  BOOST_TEST(fs::is_empty(at.path));
}

BOOST_AUTO_TEST_CASE(a_writer_refuses_elements_that_do_not_fit) {
  put(path, "the old file");
  {
    tf::safetensors_writer writer(path, infos());
    fails_saying<tf::config_error>([&] { writer.write("moment", moments.data(), 3); }, {"'moment'", "found none"});
    fails_saying<tf::config_error>([&] { writer.write("moments", weights.data(), 3); }, {"found F64", "expected F32"});
    fails_saying<tf::config_error>([&] { writer.write("moments", moments.data(), 4); }, {"found 4 more", "at most 3"});
    fails_saying<tf::config_error>([&] { writer.write("moments", moments.data(), -1); }, {"found -1 more"});
    writer.write("moments", moments.data(), 2);
    fails_saying<tf::config_error>([&] { writer.commit(); }, {"found", "elements, expected"});
  }
  BOOST_TEST(bytes_of(path) == "the old file");
  BOOST_TEST(std::distance(fs::directory_iterator(at.path), fs::directory_iterator()) == 1);
}

BOOST_AUTO_TEST_SUITE_END()
