// SPDX-License-Identifier: Apache-2.0
#include "folder/support/settings.hpp"

#include <nlohmann/json.hpp>

#include "transfusion/core/error.hpp"

namespace folder {

using nlohmann::json;
using transfusion::config_error;
using transfusion::format_error;
using transfusion::require;

std::string settings::to_json() const {
  json kept;
  visit_fields(*this, [&](const char* name, const auto& value) { kept[name] = value; });
  return kept.dump();
}

void settings::add_to(CLI::App& app) {
  const auto add = [&](const char* name, auto& member, const char* help) {
    return app.add_option(std::string("--") + name, member, help)->capture_default_str();
  };
  const CLI::Range share(0.0, 1.0);
  add("steps", steps, "Optimiser steps; 0: as many as fit into --minutes")->check(CLI::Range(0, 1000000000));
  add("minutes", minutes, "Time to train where --steps is not given")->check(CLI::PositiveNumber);
  add("pairs", pairs, "Picture-caption pairs a step")->check(CLI::PositiveNumber);
  add("rate", rate, "Peak learning rate")->check(CLI::PositiveNumber);
  add("picture-first", picture_first,
      "Share of pairs with the picture before its caption (learns to caption); the others learn to draw")
      ->check(share);
  add("caption-dropout", caption_dropout, "Share of captions dropped, for guidance in sampling")->check(share);
  add("seed", seed, "Seed of weights, data order and noise");
  add("channels", channels, "1: grey, 3: colour")->check(CLI::IsMember({1, 3}));
  add("size", size, "Height and width that every picture is cropped and resized to")->check(CLI::PositiveNumber);
  add("patch", patch, "Side of a patch in pixels; --size is a multiple of it")->check(CLI::PositiveNumber);
  add("layers", layers, "Transformer blocks")->check(CLI::PositiveNumber);
  add("width", width, "Width of the transformer")->check(CLI::PositiveNumber);
  add("heads", heads, "Attention heads")->check(CLI::PositiveNumber);
  add("vocabulary", vocabulary, "word: the captions' words; byte: any text")->check(CLI::IsMember({"word", "byte"}));
}

void take_over(settings& s, const std::string& text, const std::set<std::string>& given) {
  const json kept = json::parse(text, nullptr, false);
  require<format_error>(kept.is_object(), "settings of the checkpoint: found no JSON object, expected one");
  settings::visit_fields(s, [&]<class T>(const char* name, T& value) {
    T stored{};
    try {
      stored = kept.at(name).get<T>();
    } catch (const json::exception& fault) {
      throw format_error(std::string("settings of the checkpoint: ") + name + ": " + fault.what());
    }
    if (!given.contains(name)) {
      value = stored;
      return;
    }
    require<config_error>(value == stored || std::string_view(name) == "steps", "--", name, ": found ", value,
                          ", expected ", stored, " as the checkpoint was trained with");
  });
}

std::set<std::string> given_options(const CLI::App& app) {
  std::set<std::string> given;
  for (const CLI::Option* option : app.get_options())
    if (option->count() > 0) given.insert(option->get_single_name());
  return given;
}

}  // namespace folder
