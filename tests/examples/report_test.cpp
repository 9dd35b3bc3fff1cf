// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_report
#include "support/report.hpp"

#include <boost/test/unit_test.hpp>

#include "files.hpp"

using namespace support;
using files::check_throws;
using transfusion::io_error;
using transfusion::shape_error;

BOOST_AUTO_TEST_CASE(numbers) {
  BOOST_TEST(fixed(0.12345, 3) == "0.123");
  BOOST_TEST(fixed(-2.0) == "-2.00");
  BOOST_TEST(percent(0.8731) == "87.3 %");
  BOOST_TEST(percent(1, 0) == "100 %");
}

BOOST_AUTO_TEST_CASE(a_table_is_padded_and_escaped) {
  markdown_table table({"what", "value"});
  table.row({"a|b", "1"}).row({"\xce\xbb\nx", "12345678"});
  BOOST_TEST(table.text() ==
             "| what | value    |\n"
             "| ---- | -------- |\n"
             "| a\\|b | 1        |\n"
             "| \xce\xbb x  | 12345678 |\n");
  check_throws<shape_error>([&] { table.row({"one"}); }, {"found 1 cells, expected 2"});
  check_throws<shape_error>([] { markdown_table({}); }, {"no columns"});
}

BOOST_AUTO_TEST_CASE(a_report_is_saved_whole) {
  const files::temporary_folder folder;
  markdown_report report("Demo");
  report.paragraph("Words.")
      .heading("Figures")
      .table(markdown_table({"a"}).row({"1"}))
      .picture("samples.png", "Samples");
  BOOST_TEST(report.text() ==
             "# Demo\n\nWords.\n\n## Figures\n\n| a   |\n| --- |\n| 1   |\n\n![Samples](samples.png)\n");
  report.save(folder / "report.md");
  BOOST_TEST(read_file(folder / "report.md") == report.text());
  write_file(folder / "report.md", "shorter");
  BOOST_TEST(read_file(folder / "report.md") == "shorter");
  BOOST_TEST(folder.count() == 1u);
  check_throws<io_error>([&] { report.save(folder / "none" / "report.md"); }, {"report.md"});
  check_throws<io_error>([&] { read_file(folder / "none.md"); }, {"none.md", "no such file"});
}
