// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/settings.hpp"

#include "support/report.hpp"

namespace emoji {

namespace {

std::string pair(const char* name, const std::string& value) { return std::string(" ") + name + "=" + value; }

}  // namespace

std::string length::text() const {
  return steps > 0 ? std::to_string(steps) + " steps" : support::fixed(minutes) + " minutes";
}

settings::settings() {
  drawer.minutes = 12;
  drawer.patch = 4;
  drawer.width = 128;
}

void settings::add_to(CLI::App& app) {
  const auto positive = [&](const char* option, auto& member, const char* about) {
    app.add_option(option, member, about)->capture_default_str()->check(CLI::PositiveNumber);
  };
  const auto steps = [&](const char* option, index_t& member) {
    app.add_option(option, member, "Its steps; 0: as many as fit into its minutes")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
  };
  app.add_option("--out", out, "Folder for stages, pictures and report")->capture_default_str();
  app.add_option("--vae", vae, "Take this trained autoencoder instead of training one")->check(CLI::ExistingFile);
  app.add_option("--codec", codec, "linear, unet, or both")
      ->capture_default_str()
      ->check(CLI::IsMember({"linear", "unet", "both"}));
  app.add_flag("--quick", quick, "A few minutes in all");
  app.add_flag("--overwrite", overwrite, "Begin anew in a folder that holds stages");
  app.add_option("--seed", seed, "Seed of weights, data order and noise")->capture_default_str();
  positive("--classifier-minutes", classifier.minutes, "Time to train the classifier");
  steps("--classifier-steps", classifier.steps);
  positive("--vae-minutes", autoencoder.minutes, "Time to train the autoencoder");
  steps("--vae-steps", autoencoder.steps);
  positive("--latent-channels", latent_channels, "Channels of a latent");
  positive("--minutes", drawer.minutes, "Time to train each Transfusion model");
  steps("--steps", drawer.steps);
  positive("--pairs", drawer.pairs, "Documents a step");
  positive("--rate", drawer.rate, "Peak learning rate");
  positive("--layers", drawer.layers, "Transformer blocks");
  positive("--width", drawer.width, "Width of the transformer");
  positive("--heads", drawer.heads, "Attention heads");
  app.add_option("--patch", drawer.patch, "Latent pixels a side of a patch")
      ->capture_default_str()
      ->check(CLI::IsMember({1, 2, 4, 8}));
  app.add_option("--guidance", draws.guidance, "Scale of classifier-free guidance")->capture_default_str();
  app.add_option("--image-steps", draws.steps, "Solver steps a picture")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--drawn", drawn, "Pictures drawn of names seen in training, for the measures")
      ->capture_default_str()
      ->check(CLI::Range(8, 1000));
  device.add_to(app);
}

void settings::shorten(const CLI::App& app) {
  if (!quick) return;
  const auto put = [&](const char* option, auto& member, auto value) {
    if (app.count(option) == 0) member = value;
  };
  put("--classifier-minutes", classifier.minutes, 0.3);
  put("--vae-minutes", autoencoder.minutes, 1.2);
  put("--minutes", drawer.minutes, 0.8);
  put("--image-steps", draws.steps, 20);
  put("--drawn", drawn, 16);
}

stage settings::classifier_stage() const {
  return {out / "classifier.safetensors",
          "classifier:" + pair("length", classifier.text()) + pair("seed", std::to_string(seed))};
}

stage settings::vae_stage() const {
  return {out / "vae.safetensors", "autoencoder:" + pair("length", autoencoder.text()) +
                                       pair("latent-channels", std::to_string(latent_channels)) +
                                       pair("seed", std::to_string(seed)) + ", on " + classifier_stage().settings};
}

stage settings::drawer_stage(const std::string& codec_name) const {
  const support::run_settings& t = drawer;
  const std::string below = vae.empty() ? vae_stage().settings : "an autoencoder that was given";
  return {out / (codec_name + ".safetensors"),
          codec_name + ":" + pair("length", length{t.steps, t.minutes}.text()) +
              pair("pairs", std::to_string(t.pairs)) + pair("rate", support::fixed(t.rate, 6)) +
              pair("layers", std::to_string(t.layers)) + pair("width", std::to_string(t.width)) +
              pair("heads", std::to_string(t.heads)) + pair("patch", std::to_string(t.patch)) +
              pair("seed", std::to_string(seed)) + ", on " + below};
}

}  // namespace emoji
