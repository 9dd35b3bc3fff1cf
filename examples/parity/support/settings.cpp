// SPDX-License-Identifier: Apache-2.0
#include "parity/support/settings.hpp"

#include <algorithm>
#include <cstdio>

#include "support/options.hpp"
#include "transfusion/core/error.hpp"

namespace parity {

std::string model_size::name() const {
  return std::to_string(layers) + "x" + std::to_string(width) + "x" + std::to_string(heads);
}

model_size model_size::of(const std::string& name) {
  long long layers = 0, width = 0, heads = 0;
  char more = 0;
  const int found = std::sscanf(name.c_str(), "%6lldx%6lldx%6lld%c", &layers, &width, &heads, &more);
  tf::require<tf::config_error>(found == 3 && layers > 0 && width > 0 && heads > 0, "--sizes: found \"", name,
                                "\", expected layers, width and heads, as in 4x128x4");
  tf::require<tf::config_error>(width % (2 * heads) == 0, "--sizes: ", name, ": heads: found ", heads,
                                ", expected a divisor of the width ", width, " that leaves an even head width");
  return {layers, width, heads};
}

void settings::add_to(CLI::App& app) {
  using support::add_positive, support::add_within;
  support::quick_run quick_values(app, quick);
  app.add_option("--out", out, "Folder for results, pictures and report; what is finished there is not run again")
      ->capture_default_str();
  app.add_option("--seed", seed, "Seed of weights, scenes and noise")->capture_default_str();
  device.add_to(app);
  app.add_option("--sizes", sizes, "Transformers: layers x width x heads, as in 4x128x4")->capture_default_str();
  app.add_option("--budgets", budgets, "Tokens, text and picture, of a training; rising")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  add_positive(app, "--pairs", pairs, "Scenes with captions a step");
  add_positive(app, "--rate", rate, "Peak learning rate of Transfusion");
  add_positive(app, "--chameleon-share", chameleon_share, "Chameleon's peak rate, as a share of that");
  add_positive(app, "--latent-channels", latent_channels, "Channels of the VAE's latents and of the VQ-VAE's codes");
  add_within(app, "--codes", codes, 2, 65536, "Size of the codebook");
  app.add_option("--coder-channels", coder_channels, "Channels of the autoencoders at their finest level")
      ->capture_default_str()
      ->check(CLI::IsMember({"8", "16", "32", "64", "128"}));
  add_positive(app, "--coder-blocks", coder_blocks, "Residual blocks of the autoencoders a level");
  add_positive(app, "--coder-steps", coder_steps, "Optimiser steps of each autoencoder");
  add_positive(app, "--coder-scenes", coder_scenes, "Scenes a step of an autoencoder");
  add_positive(app, "--coder-rate", coder_rate, "Peak learning rate of the autoencoders");
  add_within(app, "--read", read, 20, 100000, "New scenes whose captions are read");
  add_within(app, "--drawn", drawn, 20, 100000, "Scenes drawn for the distance, and as many for the score");
  add_within(app, "--image-steps", image_steps, 2, 1000, "Solver steps a picture");
  app.add_option("--guidance", guidance, "Scale of classifier-free guidance, of predictions and of logits")
      ->capture_default_str();
  quick_values.with("--sizes", sizes, std::vector<std::string>{"2x32x2", "2x64x2", "3x96x3", "4x128x4"})
      .with("--budgets", budgets, std::vector<index_t>{300000, 600000, 1200000})
      .with("--pairs", pairs, 16)
      .with("--rate", rate, 4e-3)
      .with("--codes", codes, 256)
      .with("--coder-channels", coder_channels, 16)
      .with("--coder-steps", coder_steps, 1200)
      .with("--coder-scenes", coder_scenes, 16)
      .with("--coder-rate", coder_rate, 2e-3)
      .with("--read", read, 200)
      .with("--drawn", drawn, 200)
      .with("--image-steps", image_steps, 20);
}

void settings::require_valid() const {
  models();
  tf::require<tf::config_error>(!sizes.empty(), "--sizes: found none, expected one at least");
  tf::require<tf::config_error>(!budgets.empty(), "--budgets: found none, expected one at least");
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    tf::require<tf::config_error>(budgets[i] >= step_tokens(), "--budgets: found ", budgets[i],
                                  " tokens, expected those of one step at least, ", step_tokens());
    tf::require<tf::config_error>(i == 0 || budgets[i] > budgets[i - 1], "--budgets: found ", budgets[i], " after ",
                                  budgets[i == 0 ? 0 : i - 1], ", expected rising ones");
  }
}

std::vector<model_size> settings::models() const {
  std::vector<model_size> all;
  for (const std::string& name : sizes) all.push_back(model_size::of(name));
  return all;
}

index_t settings::step_tokens() const {
  constexpr index_t markers = 4;  // around the document and around the image
  return pairs * (latent_shape().height * latent_shape().width + markers + most_words);
}

index_t settings::scenes() const { return pairs * steps(*std::max_element(budgets.begin(), budgets.end())); }

nlohmann::json settings::of_coders() const {
  return {{"device", device.where == support::device::cuda ? "cuda" : "cpu"},
          {"seed", seed},
          {"latent_channels", latent_channels},
          {"codes", codes},
          {"coder_channels", coder_channels},
          {"coder_blocks", coder_blocks},
          {"coder_steps", coder_steps},
          {"coder_scenes", coder_scenes},
          {"coder_rate", coder_rate}};
}

nlohmann::json settings::of_results() const {
  nlohmann::json json = of_coders();
  json.update({{"pairs", pairs},
               {"rate", rate},
               {"chameleon_share", chameleon_share},
               {"read", read},
               {"drawn", drawn},
               {"image_steps", image_steps},
               {"guidance", guidance},
               {"eyes_scenes", eyes_scenes},
               {"eyes_epochs", eyes_epochs},
               {"embedder_steps", embedder_steps},
               {"compared", compared}});
  return json;
}

}  // namespace parity
