// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "transfusion/autograd/parameter.hpp"
#include "transfusion/io/safetensors.hpp"

namespace transfusion {

/// Which weights of a checkpoint to read: the trained ones, or their moving average where there is one.
enum class weights { trained, averaged };

namespace detail {

inline constexpr std::string_view average_prefix = "average.";
inline constexpr const char* step_key = "transfusion.next_step";  ///< of training checkpoints' metadata
inline constexpr const char* seed_key = "transfusion.seed";

/// A whole number among the metadata. Throws format_error naming the key and, where it is not there, what the file was
/// taken for.
template <class Integer>
Integer metadata_number(const safetensors_file& file, const char* key, const char* taken_for) {
  const auto found = file.metadata().find(key);
  require<format_error>(found != file.metadata().end(), file.path().string(), ": found no metadata \"", key,
                        "\": is this ", taken_for, "?");
  Integer value{};
  const std::string& s = found->second;
  const auto [end, fault] = std::from_chars(s.data(), s.data() + s.size(), value);
  require<format_error>(fault == std::errc{} && end == s.data() + s.size(), file.path().string(), ": metadata \"", key,
                        "\": found \"", s, "\", expected a whole number");
  return value;
}

/// One tensor of a model's parameters, whole, through a host copy.
template <class Exec>
void write_tensor(safetensors_writer& writer, Exec& exec, const std::string& name,
                  view<const typename Exec::real, 1> device) {
  std::vector<typename Exec::real> host(static_cast<std::size_t>(device.size()));
  exec.download(host.data(), device.data, host.size() * sizeof(typename Exec::real));
  writer.write(name, host.data(), device.size());
}

/// Throws format_error unless the file holds tensor `name` with this parameter's type and shape.
template <class Exec>
void check_tensor(const safetensors_file& file, const std::string& name, parameter<Exec> p) {
  const tensor_info* info = file.find(name);
  const std::string where = message(file.path().string(), ": tensor '", name, "': ");
  require<format_error>(info != nullptr, where, "found none of that name, expected one");
  require<format_error>(info->dtype == dtype_of<typename Exec::real>, where, "found type ", info->dtype, ", expected ",
                        dtype_of<typename Exec::real>);
  const auto shape_text = [](const std::vector<index_t>& shape) {
    std::string s = "[";
    for (index_t extent : shape) s += (s.size() > 1 ? ", " : "") + std::to_string(extent);
    return s + "]";
  };
  require<format_error>(info->shape == p.shape(), where, "found shape ", shape_text(info->shape), ", expected ",
                        shape_text(p.shape()));
}

/// Reads a tensor into the part of `block` that belongs to parameter p.
template <class Exec>
void read_tensor(const safetensors_file& file, Exec& exec, const std::string& name, parameter<Exec> p,
                 view<typename Exec::real, 1> block) {
  std::vector<typename Exec::real> host(static_cast<std::size_t>(p.size()));
  file.read(name, host.data(), p.size());
  exec.upload(block.data + p.offset(), host.data(), host.size() * sizeof(typename Exec::real));
}

/// Throws format_error unless the file holds all parameters of a set with their types and shapes; gives the prefix of
/// their names.
template <class Exec>
std::string check_weights(const safetensors_file& file, parameter_set<Exec>& set, weights which) {
  std::string prefix;
  set.each([&](parameter<Exec> p) {
    if (which == weights::averaged && file.find(std::string(average_prefix) + p.name())) prefix = average_prefix;
  });
  set.each([&](parameter<Exec> p) { check_tensor<Exec>(file, prefix + p.name(), p); });
  return prefix;
}

/// Reads what check_weights has seen.
template <class Exec>
void read_weights(const safetensors_file& file, Exec& exec, parameter_set<Exec>& set, const std::string& prefix) {
  set.each([&](parameter<Exec> p) { read_tensor<Exec>(file, exec, prefix + p.name(), p, set.values()); });
  set.refresh();
}

}  // namespace detail
}  // namespace transfusion
