// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE train_training_log

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/temporary_folder.hpp"
#include "transfusion/train/training_log.hpp"

namespace tf = transfusion;
namespace fs = std::filesystem;

namespace {

struct file {
  test_support::folder folder;
  std::string path = folder / "log.csv";
  std::string content() const { return test_support::bytes_of(path); }
};

void write(const std::string& path, tf::index_t first, tf::index_t end, double offset) {
  tf::training_log log(path, {"a", "b"}, first);
  for (tf::index_t s = first; s < end; ++s) log.write(s, {static_cast<double>(s) + offset, 0.25});
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_line_a_step_under_the_names_of_the_columns) {
  file f;
  write(f.path, 0, 3, 0.5);
  BOOST_TEST(f.content() == "step,a,b\n0,0.5,0.25\n1,1.5,0.25\n2,2.5,0.25\n");
}

BOOST_AUTO_TEST_CASE(a_new_run_begins_a_new_log) {
  file f;
  write(f.path, 0, 3, 0);
  write(f.path, 0, 1, 10);
  BOOST_TEST(f.content() == "step,a,b\n0,10,0.25\n");
}

BOOST_AUTO_TEST_CASE(a_resumed_run_keeps_what_came_before_its_first_step) {
  file f;
  write(f.path, 0, 5, 0);
  write(f.path, 3, 6, 100);  // the run was cut off after step 4, its checkpoint stood at step 3
  BOOST_TEST(f.content() == "step,a,b\n0,0,0.25\n1,1,0.25\n2,2,0.25\n3,103,0.25\n4,104,0.25\n5,105,0.25\n");
}

BOOST_AUTO_TEST_CASE(a_line_that_was_cut_off_is_not_kept) {
  file f;
  std::ofstream(f.path) << "step,a,b\n0,0,0.25\n1,1,0.25\n2,2,0.";
  write(f.path, 2, 3, 0);
  BOOST_TEST(f.content() == "step,a,b\n0,0,0.25\n1,1,0.25\n2,2,0.25\n");
}

BOOST_AUTO_TEST_CASE(a_resumed_run_whose_log_is_gone_begins_one) {
  file f;
  write(f.path, 3, 4, 0);
  BOOST_TEST(f.content() == "step,a,b\n3,3,0.25\n");
}

BOOST_AUTO_TEST_CASE(an_empty_path_logs_nothing) {
  tf::training_log log("", {"a"}, 0);
  BOOST_CHECK_NO_THROW(log.write(0, {1}));
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_written_is_an_error_that_names_it) {
  const std::string path = "/nonexistent_folder/log.csv";
  BOOST_CHECK_EXCEPTION(tf::training_log(path, {"a"}, 0), tf::io_error,
                        [&](const tf::io_error& e) { return std::string(e.what()).find(path) != std::string::npos; });
}
