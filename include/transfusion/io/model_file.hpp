// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "transfusion/core/policy_name.hpp"
#include "transfusion/io/config_fields.hpp"
#include "transfusion/io/parameter_tensors.hpp"
#include "transfusion/io/safetensors.hpp"
#include "transfusion/model.hpp"

namespace transfusion {

namespace detail {

inline constexpr const char* config_key = "transfusion.config";

/// Calls visit(name, member) for the options of a codec.
template <class Options, class Visit>
void visit_codec(Options& o, Visit visit) {
  if constexpr (requires { o.visit_fields(o, visit); })
    o.visit_fields(o, visit);
  else
    static_assert(std::is_empty_v<std::remove_cvref_t<Options>>,
                  "the codec's options have members, but no template <class Self, class Visit> static void "
                  "visit_fields(Self&, Visit) that would store them; codec/linear_patch.hpp shows one");
}

/// Calls visit(name, member) for every field of a configuration, those of its codec's options and of its other
/// modalities apart: nested(part, visitor) calls visitor with the way to visit the fields of one part.
template <class Config, class Visit, class Nested>
void visit_config(Config& c, Visit visit, Nested nested) {
  visit("layers", c.layers);
  visit("width", c.width);
  visit("heads", c.heads);
  visit("vocabulary", c.vocabulary);
  visit("kv_heads", c.kv_heads);
  visit("feed_forward", c.feed_forward);
  visit("rope_theta", c.rope_theta);
  visit("norm_epsilon", c.norm_epsilon);
  visit("bos", c.markers.bos);
  visit("eos", c.markers.eos);
  visit("boi", c.markers.boi);
  visit("eoi", c.markers.eoi);
  visit("loss_weights", c.loss_weights);
  visit("dropout", c.dropout);
  visit("label_smoothing", c.label_smoothing);
  visit("text_mean", c.text_mean);
  visit("image_mean", c.image_mean);
  nested("codec", [&](auto part) { visit_codec(c.codec, part); });
  for_each_number<std::remove_cvref_t<decltype(c.other_modalities)>::count>([&](auto i) {
    auto& m = c.other_modalities.template get<i>();
    const std::string name = "modality" + std::to_string(i + 1);
    nested(name, [&](auto part) {
      part("begin", m.begin);
      part("end", m.end);
      part("loss_weight", m.loss_weight);
    });
    nested(name + ".codec", [&](auto part) { visit_codec(m.codec, part); });
  });
}

/// The policies that a model computes by, for files: two variants whose weights have equal names and shapes may differ
/// in them. Those of training and drawing alone are free to change.
template <variant V>
nlohmann::json policies_of() {
  nlohmann::json names;
  names["mask"] = policy_name<typename V::mask>();
  names["position"] = policy_name<typename V::position>();
  names["block"] = policy_name<typename V::block>();
  names["norm"] = policy_name<typename V::norm>();
  names["norm_place"] = policy_name<typename V::norm_place>();
  names["feed_forward"] = policy_name<typename V::feed_forward>();
  names["timestep"] = policy_name<typename V::timestep>();
  for_each_number<transfusion::modalities_of<V>::count>([&](auto m) {
    using modality = typename transfusion::modalities_of<V>::template at<m>;
    const std::string prefix = "modality" + std::to_string(m) + ".";
    names[prefix + "codec"] = policy_name<typename modality::codec>();
    names[prefix + "schedule"] = policy_name<typename modality::schedule>();
    names[prefix + "target"] = policy_name<typename modality::target>();
  });
  return names;
}

template <variant Variant>
std::string config_text(const model_config<Variant>& c) {
  nlohmann::json json;
  json["policies"] = policies_of<Variant>();
  visit_config(c, field_writer{json}, [&](const std::string& name, auto fields) {
    json[name] = nlohmann::json::object();
    fields(field_writer{json[name]});
  });
  return json.dump();
}

}  // namespace detail

/// The configuration stored in a checkpoint or model file. Throws format_error where it is missing or incomplete.
template <variant Variant>
model_config<Variant> read_config(const safetensors_file& file) {
  const auto found = file.metadata().find(detail::config_key);
  require<format_error>(found != file.metadata().end(), file.path().string(), ": found no metadata \"",
                        detail::config_key, "\"");
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  require<format_error>(json.is_object(), file.path().string(), ": metadata \"", detail::config_key,
                        "\" is no JSON object");
  model_config<Variant> c;
  const std::string where = file.path().string() + ": configuration: ";
  detail::visit_config(c, detail::field_reader{json, where}, [&](const std::string& name, auto fields) {
    const auto part = json.value(name, nlohmann::json::object());
    fields(detail::field_reader{part, where + name + "."});
  });
  try {
    return completed(c);
  } catch (const config_error& fault) {
    throw format_error(where + fault.what());
  }
}

namespace detail {

/// Fields that matter to training alone.
inline bool of_training(std::string_view name) {
  return name == "loss_weights" || name == "dropout" || name == "label_smoothing" || name == "text_mean" ||
         name == "image_mean" || name == "loss_weight";
}

/// Throws format_error naming the first field in which a stored part of a configuration differs from the wanted one.
inline void check_fields(const std::string& where, const nlohmann::json& stored, const nlohmann::json& wanted,
                         bool training) {
  for (const auto& [name, value] : stored.items())
    require<format_error>(wanted.contains(name), where, name, ": found ", value.dump(), ", expected no such field");
  for (const auto& [name, value] : wanted.items()) {
    if (!training && of_training(name)) continue;
    require<format_error>(stored.contains(name), where, name, ": found none, expected ", value.dump());
    if (value.is_object() && stored.at(name).is_object())
      check_fields(where + name + ".", stored.at(name), value, training);
    else
      require<format_error>(stored.at(name) == value, where, name, ": found ", stored.at(name).dump(), ", expected ",
                            value.dump());
  }
}

/// Throws format_error naming the first field or policy in which the stored configuration differs from a model's: equal
/// shapes do not make equal models. Files without a configuration pass, or without policies; what matters to training
/// alone is not compared for other uses.
template <variant Variant>
void check_config(const safetensors_file& file, const model_config<Variant>& config, bool training) {
  const auto found = file.metadata().find(config_key);
  if (found == file.metadata().end()) return;
  read_config<Variant>(file);  // names what is missing or no number
  const auto stored = nlohmann::json::parse(found->second);
  auto wanted = nlohmann::json::parse(config_text(config));
  if (!stored.contains("policies")) wanted.erase("policies");
  check_fields(file.path().string() + ": configuration: ", stored, wanted, training);
}

}  // namespace detail

/// Writes a model's weights under their names (`blocks.3.attention.wq`, …) with its configuration and `metadata`,
/// atomically.
template <class Model>
void save_model(const std::filesystem::path& path, Model& model, std::map<std::string, std::string> metadata = {}) {
  using exec = typename Model::exec_type;
  std::vector<tensor_info> tensors;
  model.parameters().each(
      [&](parameter<exec> p) { tensors.push_back(tensor_info::of<typename Model::real>(p.name(), p.shape())); });
  metadata[detail::config_key] = detail::config_text(model.config());
  safetensors_writer writer(path, std::move(tensors), std::move(metadata));
  model.parameters().each(
      [&](parameter<exec> p) { detail::write_tensor<exec>(writer, model.exec(), p.name(), p.master()); });
  writer.commit();
}

/// Reads a model's weights from a model file or a training checkpoint. Every tensor is checked before the first is
/// read, so a file that does not fit changes nothing. Throws format_error naming the tensor, what was found and what
/// was expected.
template <class Model>
void load_weights(const safetensors_file& file, Model& model, weights which = weights::averaged) {
  const std::string prefix = detail::check_weights(file, model.parameters(), which);
  detail::check_config<typename Model::variant_type>(file, model.config(), false);
  detail::read_weights(file, model.exec(), model.parameters(), prefix);
}

}  // namespace transfusion
