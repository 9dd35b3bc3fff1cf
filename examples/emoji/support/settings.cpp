// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/settings.hpp"

#include "support/options.hpp"
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
  using support::add_positive, support::add_within;
  const auto steps = [&](const char* option, index_t& member) {
    app.add_option(option, member, "Its steps; 0: as many as fit into its minutes")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
  };
  support::quick_run quick_values(app, quick);
  app.add_option("--out", out, "Folder for stages, pictures and report")->capture_default_str();
  app.add_option("--vae", vae, "Take this trained autoencoder instead of training one")->check(CLI::ExistingFile);
  app.add_option("--codec", codec, "linear, unet, or both")
      ->capture_default_str()
      ->check(CLI::IsMember({"linear", "unet", "both"}));
  app.add_flag("--overwrite", overwrite, "Begin anew in a folder that holds stages");
  app.add_option("--seed", seed, "Seed of weights, data order and noise")->capture_default_str();
  add_positive(app, "--classifier-minutes", classifier.minutes, "Time to train the classifier");
  steps("--classifier-steps", classifier.steps);
  add_positive(app, "--vae-minutes", autoencoder.minutes, "Time to train the autoencoder");
  steps("--vae-steps", autoencoder.steps);
  add_positive(app, "--latent-channels", latent_channels, "Channels of a latent");
  add_positive(app, "--minutes", drawer.minutes, "Time to train each Transfusion model");
  steps("--steps", drawer.steps);
  add_positive(app, "--pairs", drawer.pairs, "Documents a step");
  add_positive(app, "--rate", drawer.rate, "Peak learning rate");
  support::add_transformer(app, drawer.layers, drawer.width, drawer.heads);
  app.add_option("--patch", drawer.patch, "Latent pixels a side of a patch")
      ->capture_default_str()
      ->check(CLI::IsMember({1, 2, 4, 8}));
  app.add_option("--guidance", draws.guidance, "Scale of classifier-free guidance")->capture_default_str();
  add_within(app, "--image-steps", draws.steps, 1, 1000, "Solver steps a picture");
  add_within(app, "--drawn", drawn, 8, 1000, "Pictures drawn of names seen in training, for the measures");
  device.add_to(app);
  quick_values.with("--classifier-minutes", classifier.minutes, 0.3)
      .with("--vae-minutes", autoencoder.minutes, 1.2)
      .with("--minutes", drawer.minutes, 0.8)
      .with("--image-steps", draws.steps, 20)
      .with("--drawn", drawn, 16);
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
