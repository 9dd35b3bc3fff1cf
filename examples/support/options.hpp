// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace support {

/// An option that takes what is above 0 and shows its default.
template <class T>
CLI::Option* add_positive(CLI::App& app, const std::string& name, T& member, const std::string& about) {
  return app.add_option(name, member, about)->capture_default_str()->check(CLI::PositiveNumber);
}

/// An option that takes what lies between two numbers, both included, and shows its default.
template <class T>
CLI::Option* add_within(CLI::App& app, const std::string& name, T& member, std::type_identity_t<T> low,
                        std::type_identity_t<T> high, const std::string& about) {
  return app.add_option(name, member, about)->capture_default_str()->check(CLI::Range(low, high));
}

/// The sizes of a transformer.
template <class T>
void add_transformer(CLI::App& app, T& layers, T& width, T& heads) {
  add_positive(app, "--layers", layers, "Transformer blocks");
  add_positive(app, "--width", width, "Width of the transformer");
  add_positive(app, "--heads", heads, "Attention heads");
}

/// The flag --quick of a program, which gives other values to the options that are not given.
class quick_run {
 public:
  /// `flag` says whether it was given.
  quick_run(CLI::App& app, bool& flag) : app_(&app) {
    app.add_flag_callback(
        "--quick",
        [&flag, values = values_] {
          flag = true;
          for (const auto& put : *values) put();
        },
        "A run of minutes on two cores; options that are given stay as given");
  }

  /// The value of an option's member in such a run.
  template <class T>
  quick_run& with(const std::string& option, T& member, std::type_identity_t<T> value) {
    values_->push_back([app = app_, option, &member, value = std::move(value)] {
      if (app->count(option) == 0) member = value;
    });
    return *this;
  }

 private:
  CLI::App* app_;
  std::shared_ptr<std::vector<std::function<void()>>> values_ = std::make_shared<std::vector<std::function<void()>>>();
};

}  // namespace support
