// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "transfusion/autoencoder/autoencoder.hpp"
#include "transfusion/autoencoder/latent_scale.hpp"
#include "transfusion/core/policy_name.hpp"
#include "transfusion/io/config_fields.hpp"
#include "transfusion/io/parameter_tensors.hpp"
#include "transfusion/io/safetensors.hpp"

namespace transfusion {

/// What an autoencoder is made from, as its file says.
template <class Bottleneck>
struct stored_autoencoder {
  autoencoder_options sizes;
  typename Bottleneck::options bottleneck;
  std::optional<latent_scale> scale;  ///< where it was measured
};

namespace detail {

inline constexpr const char* autoencoder_key = "transfusion.autoencoder";
inline constexpr const char* scale_mean = "latent.mean";
inline constexpr const char* scale_deviation = "latent.deviation";

template <class Bottleneck>
nlohmann::json autoencoder_json(const autoencoder_options& sizes, const typename Bottleneck::options& bottleneck) {
  nlohmann::json json, inner;
  autoencoder_options::visit_fields(sizes, field_writer{json});
  inner = nlohmann::json::object();
  Bottleneck::options::visit_fields(bottleneck, field_writer{inner});
  json["bottleneck"] = inner;
  json["kind"] = policy_name<Bottleneck>();
  return json;
}

/// The tensors of a scale, or none.
inline void add_scale_tensors(std::vector<tensor_info>& tensors, const std::optional<latent_scale>& scale) {
  if (!scale) return;
  for (const char* name : {scale_mean, scale_deviation})
    tensors.push_back(tensor_info::of<double>(name, {static_cast<index_t>(scale->mean.size())}));
}
inline void write_scale(safetensors_writer& writer, const std::optional<latent_scale>& scale) {
  if (!scale) return;
  writer.write(scale_mean, scale->mean.data(), static_cast<index_t>(scale->mean.size()));
  writer.write(scale_deviation, scale->deviation.data(), static_cast<index_t>(scale->deviation.size()));
}
/// Throws config_error on numbers that are no scale.
inline std::optional<latent_scale> read_scale(const safetensors_file& file, index_t channels) {
  if (!file.find(scale_mean)) return {};
  latent_scale scale{std::vector<double>(static_cast<std::size_t>(channels)),
                     std::vector<double>(static_cast<std::size_t>(channels))};
  file.read(scale_mean, scale.mean.data(), channels);
  file.read(scale_deviation, scale.deviation.data(), channels);
  scale.require_valid(channels);
  return scale;
}

}  // namespace detail

/// Reads what an autoencoder's file says of it. Throws format_error on a file of something else, or of another
/// bottleneck.
template <class Bottleneck>
stored_autoencoder<Bottleneck> read_autoencoder(const safetensors_file& file) {
  const std::string where = file.path().string() + ": autoencoder: ";
  const auto found = file.metadata().find(detail::autoencoder_key);
  require<format_error>(found != file.metadata().end(), file.path().string(), ": found no metadata \"",
                        detail::autoencoder_key, "\": is this an autoencoder?");
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  require<format_error>(json.is_object() && json.contains("bottleneck"), where, "found ", found->second,
                        ", expected a JSON object with a bottleneck");
  const std::string expected = policy_name<Bottleneck>();
  const std::string kind = json.contains("kind") && json.at("kind").is_string() ? json.at("kind") : "none";
  require<format_error>(kind == expected, where, "bottleneck: found ", kind, ", expected ", expected);
  stored_autoencoder<Bottleneck> stored;
  autoencoder_options::visit_fields(stored.sizes, detail::field_reader{json, where});
  Bottleneck::options::visit_fields(stored.bottleneck, detail::field_reader{json.at("bottleneck"), where});
  try {
    require_valid(stored.sizes);
    Bottleneck::require_valid(stored.bottleneck);
    stored.scale = detail::read_scale(file, stored.sizes.latent_channels);
  } catch (const config_error& fault) {
    throw format_error(where + fault.what());
  }
  return stored;
}

namespace detail {

/// Throws format_error where the file's autoencoder is not made like this one.
template <class Bottleneck, class Exec>
void require_same_autoencoder(const safetensors_file& file, const autoencoder<Bottleneck, Exec>& model) {
  read_autoencoder<Bottleneck>(file);  // names what is missing or no number
  const auto found = nlohmann::json::parse(file.metadata().at(autoencoder_key));
  const auto wanted = autoencoder_json<Bottleneck>(model.options(), model.bottleneck_options());
  for (const auto& [name, value] : wanted.items())
    require<format_error>(found.value(name, nlohmann::json()) == value, file.path().string(), ": autoencoder: ", name,
                          ": found ", found.value(name, nlohmann::json()).dump(), ", expected ", value.dump());
}

}  // namespace detail

/// Writes an autoencoder's weights under their names with its sizes, the scale of its latents if it was measured, and
/// `metadata`, atomically. Throws config_error on a scale of other channels.
template <class Bottleneck, class Exec>
void save_autoencoder(const std::filesystem::path& path, autoencoder<Bottleneck, Exec>& model,
                      const std::optional<latent_scale>& scale = {}, std::map<std::string, std::string> metadata = {}) {
  using real = typename Exec::real;
  if (scale) scale->require_valid(model.options().latent_channels);
  std::vector<tensor_info> tensors;
  model.parameters().each([&](parameter<Exec> p) { tensors.push_back(tensor_info::of<real>(p.name(), p.shape())); });
  detail::add_scale_tensors(tensors, scale);
  metadata[detail::autoencoder_key] =
      detail::autoencoder_json<Bottleneck>(model.options(), model.bottleneck_options()).dump();
  safetensors_writer writer(path, std::move(tensors), std::move(metadata));
  model.parameters().each(
      [&](parameter<Exec> p) { detail::write_tensor<Exec>(writer, model.exec(), p.name(), p.master()); });
  detail::write_scale(writer, scale);
  writer.commit();
}

/// Reads an autoencoder's weights from its file or a checkpoint; throws format_error, with nothing changed, on a file
/// that does not fit. Without averaged weights the trained ones are read.
template <class Bottleneck, class Exec>
void load_weights(const safetensors_file& file, autoencoder<Bottleneck, Exec>& model,
                  weights which = weights::averaged) {
  detail::require_same_autoencoder(file, model);
  const std::string prefix = detail::check_weights(file, model.parameters(), which);
  detail::read_weights(file, model.exec(), model.parameters(), prefix);
}

}  // namespace transfusion
