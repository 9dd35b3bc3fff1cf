// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/settings.hpp"

#include <cstdlib>

namespace ablation {

namespace {

/// A run of minutes on two cores: small, and with few steps.
void make_quick(const CLI::App& app, settings& s) {
  const auto set = [&](const char* option, auto& member, auto value) {
    if (app.count(option) == 0) member = value;
  };
  set("--seeds", s.seeds, 2);
  set("--steps", s.steps, 200);
  set("--pairs", s.pairs, 24);
  set("--rate", s.rate, 4e-3);
  set("--layers", s.layers, 2);
  set("--width", s.width, 64);
  set("--heads", s.heads, 2);
  set("--unet-channels", s.unet_channels, 8);
  set("--unet-blocks", s.unet_blocks, 1);
  set("--drawn", s.drawn, 100);
  set("--image-steps", s.image_steps, 16);
  set("--read", s.read, 100);
}

std::string name_of(data_set d) { return d == data_set::fashion ? "fashion" : "emoji"; }

}  // namespace

void settings::add_to(CLI::App& app, const std::vector<std::string>& experiments) {
  app.add_flag("--quick", quick, "Everything small, for minutes on two cores; options that are given stay as given");
  app.add_option("--only", only, "Names of experiments to run; all if not given")->check(CLI::IsMember(experiments));
  app.add_option("--out", out, "Folder for results, pictures and report; what is finished there is not run again")
      ->capture_default_str();
  const auto positive = [&](const char* option, auto& member, const char* about) {
    app.add_option(option, member, about)->capture_default_str()->check(CLI::PositiveNumber);
  };
  positive("--seeds", seeds, "How often each variant is trained, with seeds 1, 2, ...");
  app.add_option_function<std::string>(
         "--data", [this](const std::string& d) { data = d == "emoji" ? data_set::emoji : data_set::fashion; },
         "fashion: Fashion-MNIST; emoji: colour emoji")
      ->default_str("fashion")
      ->check(CLI::IsMember({"fashion", "emoji"}));
  app.add_option("--fashion-folder", fashion_folder, "Folder with the four gzip'd IDX files of Fashion-MNIST")
      ->capture_default_str();
  app.add_option("--emoji-font", emoji_font, "A font of colour bitmaps")->capture_default_str();
  app.add_option("--emoji-names", emoji_names, "Unicode's emoji-test.txt")->capture_default_str();
  app.add_option("--emoji-side", emoji_side, "Pixels a side of an emoji")
      ->capture_default_str()
      ->check(CLI::IsMember({"32", "64"}));
  device.add_to(app);
  positive("--steps", steps, "Optimiser steps of each training");
  positive("--pairs", pairs, "Picture-caption pairs a step");
  positive("--rate", rate, "Peak learning rate");
  positive("--layers", layers, "Transformer blocks");
  positive("--width", width, "Width of the transformer");
  positive("--heads", heads, "Attention heads");
  const CLI::Validator in_groups(
      [](const std::string& v) {
        return std::atoll(v.c_str()) % 8 == 0 ? std::string() : "found " + v + ", expected a multiple of 8";
      },
      "MULTIPLE OF 8");
  app.add_option("--unet-channels", unet_channels, "Channels of the U-Net codec at its finest level")
      ->capture_default_str()
      ->check(CLI::PositiveNumber)
      ->check(in_groups);
  positive("--unet-blocks", unet_blocks, "Residual blocks of the U-Net codec a level");
  app.add_option("--drawn", drawn, "Pictures drawn from each model")
      ->capture_default_str()
      ->check(CLI::Range(20, 100000));
  app.add_option("--image-steps", image_steps, "Solver steps a picture, where the experiment does not say")
      ->capture_default_str()
      ->check(CLI::Range(2, 1000));
  app.add_option("--guidance", guidance, "Scale of classifier-free guidance")->capture_default_str();
  positive("--read", read, "Held-out pictures whose losses are taken");
  app.parse_complete_callback([this, &app] {
    if (quick) make_quick(app, *this);
  });
}

nlohmann::json settings::of_results() const {
  nlohmann::json json = {{"data", name_of(data)},
                         {"device", device.where == support::device::cuda ? "cuda" : "cpu"},
                         {"steps", steps},
                         {"pairs", pairs},
                         {"rate", rate},
                         {"layers", layers},
                         {"width", width},
                         {"heads", heads},
                         {"unet_channels", unet_channels},
                         {"unet_blocks", unet_blocks},
                         {"drawn", drawn},
                         {"image_steps", image_steps},
                         {"guidance", guidance},
                         {"read", read}};
  if (data == data_set::emoji) json["emoji_side"] = emoji_side;
  return json;
}

corpus settings::load() const {
  if (data == data_set::emoji) return emoji_corpus(emoji_side, emoji_names, emoji_font);
  return fashion_corpus(fashion_folder);
}

}  // namespace ablation
