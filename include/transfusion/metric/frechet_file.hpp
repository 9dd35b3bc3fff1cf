// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "transfusion/io/safetensors.hpp"
#include "transfusion/metric/frechet.hpp"

namespace transfusion {

namespace detail {

inline constexpr const char* frechet_key = "transfusion.frechet";
inline constexpr const char* frechet_version = "1";

/// The width that the tensors of a file agree on. Throws format_error where they do not.
inline index_t frechet_width(const safetensors_file& file) {
  const tensor_info* mean = file.find("mean");
  const tensor_info* scatter = file.find("scatter");
  const std::string where = file.path().string();
  const auto version = file.metadata().find(frechet_key);
  require<format_error>(version != file.metadata().end() && mean && scatter, where,
                        ": found another kind of file, expected Fréchet statistics");
  require<format_error>(version->second == frechet_version, where, ": version of the Fréchet statistics: found ",
                        version->second, ", expected ", frechet_version);
  const index_t width = mean->size();
  require<format_error>(width > 0 && mean->shape.size() == 1, where, ": tensor 'mean': found ", mean->shape.size(),
                        " extents and ", width, " elements, expected [width]");
  require<format_error>(scatter->shape == std::vector<index_t>{width, width}, where, ": tensor 'scatter': found ",
                        scatter->shape.size(), " extents and ", scatter->size(), " elements, expected [", width, ", ",
                        width, "]");
  return width;
}

}  // namespace detail

/// Writes statistics to a safetensors file, atomically: `count` [1], `mean` [F] and `scatter` [F, F] as they are, so
/// that more samples may follow. `metadata`: what else the file should say, such as where the features come from.
/// Throws config_error below two samples, io_error where the file cannot be written.
inline void save_frechet_statistics(const std::filesystem::path& path, const frechet_statistics& s,
                                    std::map<std::string, std::string> metadata = {}) {
  const index_t width = s.width(), count = s.count();
  require<config_error>(count > 1, path.string(), ": found ", count, " samples, expected 2 at least");
  metadata[detail::frechet_key] = detail::frechet_version;
  safetensors_writer writer(path,
                            {tensor_info::of<std::int64_t>("count", {1}), tensor_info::of<double>("mean", {width}),
                             tensor_info::of<double>("scatter", {width, width})},
                            std::move(metadata));
  const Eigen::MatrixXd by_row = s.scatter().transpose();  // Eigen's columns are the file's rows
  writer.write("count", &count, 1);
  writer.write("mean", s.mean().data(), width);
  writer.write("scatter", by_row.data(), width * width);
  writer.commit();
}

/// Reads statistics back, bit for bit. Throws io_error where the file cannot be read, format_error where it is of
/// another kind, of other features than of `width` (where that is given), or holds no covariance.
inline frechet_statistics load_frechet_statistics(const std::filesystem::path& path,
                                                  std::optional<index_t> width = {}) {
  const safetensors_file file(path);
  const index_t found = detail::frechet_width(file);
  require<format_error>(found == width.value_or(found), path.string(), ": width of the features: found ", found,
                        ", expected ", width.value_or(found));
  index_t count = 0;
  Eigen::VectorXd mean(found);
  Eigen::MatrixXd by_row(found, found);
  file.read("count", &count, 1);
  file.read("mean", mean.data(), found);
  file.read("scatter", by_row.data(), by_row.size());
  require<format_error>(count > 1, path.string(), ": found ", count, " samples, expected 2 at least");
  try {
    return frechet_statistics::of(count, mean, by_row.transpose());
  } catch (const error& fault) {
    throw format_error(detail::message(path.string(), ": ", fault.what()));
  }
}

}  // namespace transfusion
