// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE io_atomic_file
#include <sys/resource.h>
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"
#include "transfusion/io/atomic_file.hpp"

namespace tf = transfusion;
namespace fs = std::filesystem;

namespace {

/// A folder that holds one file, "old".
struct fixture {
  test_support::folder place;
  fs::path folder = place.path;
  fs::path path = folder / "file";

  fixture() { std::ofstream(path) << "old"; }

  std::string text() const {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  auto files() const { return std::distance(fs::directory_iterator(folder), fs::directory_iterator()); }
};

/// Lets no file of this process pass `bytes`: a write beyond them is cut short, the next one fails.
class file_size_limit {
 public:
  explicit file_size_limit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    BOOST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~file_size_limit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

template <class Call>
void fails_saying(Call call, const std::vector<std::string>& words) {
  BOOST_CHECK_EXCEPTION(call(), tf::io_error, [&](const tf::io_error& e) {
    for (const auto& word : words)
      if (std::string(e.what()).find(word) == std::string::npos) return false;
    return true;
  });
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(atomic_file, fixture)

BOOST_AUTO_TEST_CASE(a_commit_replaces_the_old_file) {
  {
    tf::atomic_file file(path);
    file.write_at(4, "file", 4);
    file.write_at(0, "new ", 4);
    BOOST_TEST(text() == "old");
    file.commit();
    BOOST_TEST(text() == "new file");
  }
  BOOST_TEST(text() == "new file");
  BOOST_TEST(files() == 1);
}

BOOST_AUTO_TEST_CASE(a_new_file_has_the_permissions_of_any_other) {
  tf::atomic_file file(path);
  file.commit();
  std::ofstream(folder / "other") << "x";
  BOOST_TEST((fs::status(path).permissions() == fs::status(folder / "other").permissions()));
}

BOOST_AUTO_TEST_CASE(a_relative_path_without_a_folder_is_one_too) {
  const auto before = fs::current_path();
  fs::current_path(folder);
  tf::atomic_file file("file");
  file.write_at(0, "new", 3);
  file.commit();
  fs::current_path(before);
  BOOST_TEST(text() == "new");
}

BOOST_AUTO_TEST_CASE(without_a_commit_nothing_is_left) {
  {
    tf::atomic_file file(path);
    file.write_at(0, "new", 3);
    BOOST_TEST(files() == 2);
  }
  BOOST_TEST(text() == "old");
  BOOST_TEST(files() == 1);
}

BOOST_AUTO_TEST_CASE(a_write_that_fails_keeps_the_old_file) {
  const std::string much(10'000, 'x');
  const file_size_limit limit(4096);
  fails_saying(
      [&] {
        tf::atomic_file file(path);
        file.write_at(0, much.data(), much.size());
        file.commit();
      },
      {path.string(), "cannot write", "File too large"});
  BOOST_TEST(text() == "old");
  BOOST_TEST(files() == 1);
}

BOOST_AUTO_TEST_CASE(a_rename_that_fails_keeps_what_is_there) {
  const auto taken = folder / "taken";
  fs::create_directories(taken / "inside");
  fails_saying(
      [&] {
        tf::atomic_file file(taken);
        file.write_at(0, "new", 3);
        file.commit();
      },
      {taken.string(), "cannot rename", "directory"});
  BOOST_TEST(fs::is_directory(taken / "inside"));
  BOOST_TEST(files() == 2);
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_missing_is_an_error) {
  fails_saying([&] { tf::atomic_file file(folder / "missing" / "file"); },
               {"missing/file", "cannot create", "No such"});
  fails_saying([&] { tf::atomic_file file(path / "below"); }, {"file/below", "Not a directory"});
  BOOST_TEST(files() == 1);
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_closed_to_us_is_an_error) {
  // Root writes everywhere: ask as an ordinary user, in a child, whose exit status is the answer.
  fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_exec);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    try {
      tf::atomic_file file(path);
      ::_exit(3);
    } catch (const tf::io_error& e) {
      ::_exit(std::string(e.what()).find("cannot create: Permission denied") == std::string::npos ? 4 : 0);
    }
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  fs::permissions(folder, fs::perms::owner_all);
  BOOST_TEST((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  BOOST_TEST(text() == "old");
}

BOOST_AUTO_TEST_CASE(two_writers_of_one_path_do_not_mix) {
  tf::atomic_file first(path), second(path);
  first.write_at(0, "first", 5);
  second.write_at(0, "second", 6);
  second.commit();
  BOOST_TEST(text() == "second");
  first.commit();
  BOOST_TEST(text() == "first");
  BOOST_TEST(files() == 1);
}

BOOST_AUTO_TEST_CASE(a_second_commit_is_an_error) {
  tf::atomic_file file(path);
  file.commit();
  fails_saying([&] { file.commit(); }, {path.string(), "second commit"});
}

BOOST_AUTO_TEST_SUITE_END()
