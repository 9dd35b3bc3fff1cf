// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE metric_frechet_file
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"
#include "transfusion/metric/frechet_file.hpp"

namespace tf = transfusion;

namespace {

tf::frechet_statistics some(tf::index_t count, tf::index_t width) {
  tf::frechet_statistics s(width);
  std::vector<double> x(static_cast<std::size_t>(width));
  for (tf::index_t n = 0; n < count; ++n) {
    for (std::size_t f = 0; f < x.size(); ++f)
      x[f] = std::sin(0.9 * static_cast<double>(n * (static_cast<tf::index_t>(f) + 1)) + 0.3);
    s.add(tf::view<const double, 1>(x.data(), width));
  }
  return s;
}

/// A file as it would be saved, but for what a test puts in its place.
struct contents {
  std::map<std::string, std::string> metadata = {{"transfusion.frechet", "1"}};
  std::int64_t count = 3;
  std::vector<tf::index_t> mean_shape = {2};
  std::vector<double> mean = {1, 2};
  std::vector<tf::index_t> scatter_shape = {2, 2};
  std::vector<double> scatter = {2, 1, 1, 3};
  std::string scatter_name = "scatter";
};

void write(const std::string& path, const contents& c) {
  tf::safetensors_writer writer(
      path,
      {tf::tensor_info::of<std::int64_t>("count", {1}), tf::tensor_info::of<double>("mean", c.mean_shape),
       tf::tensor_info::of<double>(c.scatter_name, c.scatter_shape)},
      c.metadata);
  writer.write("count", &c.count, 1);
  writer.write("mean", c.mean.data(), static_cast<tf::index_t>(c.mean.size()));
  writer.write(c.scatter_name, c.scatter.data(), static_cast<tf::index_t>(c.scatter.size()));
  writer.commit();
}

/// Whether loading throws format_error with a message that names the file and holds `part`.
void refused(const contents& c, const std::string& part) {
  const test_support::folder folder;
  const std::string path = folder / "statistics.safetensors";
  write(path, c);
  BOOST_CHECK_EXCEPTION(tf::load_frechet_statistics(path), tf::format_error, [&](const tf::format_error& e) {
    const std::string what = e.what();
    BOOST_TEST_INFO(what);
    return what.find(path) == 0 && what.find(part) != std::string::npos;
  });
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_loaded_is_what_was_saved_and_goes_on_alike) {
  const test_support::folder folder;
  auto s = some(20, 3);
  tf::save_frechet_statistics(folder / "a", s, {{"features", "judge"}});
  auto loaded = tf::load_frechet_statistics(folder / "a", 3);
  const std::vector<double> next = {3, 1, -2};
  for (auto* one : {&s, &loaded}) one->add(tf::view<const double, 1>(next.data(), 3));
  BOOST_TEST(loaded.count() == 21);
  BOOST_TEST((loaded.mean() == s.mean()));
  BOOST_TEST((loaded.scatter() == s.scatter()));
  BOOST_TEST(tf::safetensors_file(folder / "a").metadata().at("features") == "judge");
}

BOOST_AUTO_TEST_CASE(others_may_write_such_a_file) {
  const test_support::folder folder;
  write(folder / "a", {});
  const auto s = tf::load_frechet_statistics(folder / "a");
  BOOST_TEST(s.count() == 3);
  BOOST_TEST(s.mean()(1) == 2);
  BOOST_TEST(s.covariance()(0, 1) == 0.5);
  BOOST_TEST(s.covariance()(1, 1) == 1.5);
}

BOOST_AUTO_TEST_CASE(another_width_is_refused_on_loading) {
  const test_support::folder folder;
  tf::save_frechet_statistics(folder / "a", some(20, 3));
  BOOST_CHECK_THROW(tf::load_frechet_statistics(folder / "a", 4), tf::format_error);
  BOOST_TEST(tf::load_frechet_statistics(folder / "a").width() == 3);
}

BOOST_AUTO_TEST_CASE(too_few_samples_are_not_saved) {
  const test_support::folder folder;
  for (const tf::index_t count : {0, 1})
    BOOST_CHECK_THROW(tf::save_frechet_statistics(folder / "a", some(count, 3)), tf::config_error);
  BOOST_TEST(folder.files() == 0);
}

BOOST_AUTO_TEST_CASE(files_of_another_kind_are_refused) {
  refused({.metadata = {}}, "another kind of file");
  refused({.scatter_name = "weight"}, "another kind of file");
  const test_support::folder folder;
  BOOST_CHECK_THROW(tf::load_frechet_statistics(folder / "none"), tf::io_error);
  std::ofstream(folder / "text") << "no tensors here at all";
  BOOST_CHECK_THROW(tf::load_frechet_statistics(folder / "text"), tf::format_error);
}

BOOST_AUTO_TEST_CASE(contents_that_no_samples_have_are_refused) {
  refused({.count = 1}, "found 1 samples");
  refused({.mean_shape = {1, 2}}, "tensor 'mean': found 2 extents");
  refused({.mean_shape = {0}, .mean = {}}, "tensor 'mean'");
  refused({.scatter_shape = {4}}, "tensor 'scatter'");
  refused({.scatter_shape = {2, 1}, .scatter = {1, 2}}, "tensor 'scatter'");
  refused({.mean = {1, std::nan("")}}, "not finite");
  refused({.scatter = {2, 1, 0, 3}}, "symmetric");
  refused({.scatter = {2, 1, 1, -3}}, "diagonal");
}
