// SPDX-License-Identifier: Apache-2.0
#include "ablation/support/settings.hpp"

#include <cstdlib>

#include "support/options.hpp"

namespace ablation {

namespace {

std::string name_of(data_set d) { return d == data_set::fashion ? "fashion" : "emoji"; }

}  // namespace

void settings::add_to(CLI::App& app, const std::vector<std::string>& experiments) {
  support::quick_run quick_values(app, quick);
  app.add_option("--only", only, "Names of experiments to run; all if not given")->check(CLI::IsMember(experiments));
  app.add_option("--out", out, "Folder for results, pictures and report; what is finished there is not run again")
      ->capture_default_str();
  support::add_positive(app, "--seeds", seeds, "How often each variant is trained, with seeds 1, 2, ...");
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
  support::add_positive(app, "--steps", steps, "Optimiser steps of each training");
  support::add_positive(app, "--pairs", pairs, "Picture-caption pairs a step");
  support::add_positive(app, "--rate", rate, "Peak learning rate");
  support::add_transformer(app, layers, width, heads);
  const CLI::Validator in_groups(
      [](const std::string& v) {
        return std::atoll(v.c_str()) % 8 == 0 ? std::string() : "found " + v + ", expected a multiple of 8";
      },
      "MULTIPLE OF 8");
  support::add_positive(app, "--unet-channels", unet_channels, "Channels of the U-Net codec at its finest level")
      ->check(in_groups);
  support::add_positive(app, "--unet-blocks", unet_blocks, "Residual blocks of the U-Net codec a level");
  support::add_within(app, "--drawn", drawn, 20, 100000, "Pictures drawn from each model");
  support::add_within(app, "--image-steps", image_steps, 2, 1000,
                      "Solver steps a picture, where the experiment does not say");
  app.add_option("--guidance", guidance, "Scale of classifier-free guidance")->capture_default_str();
  support::add_positive(app, "--read", read, "Held-out pictures whose losses are taken");
  quick_values.with("--seeds", seeds, 2)
      .with("--steps", steps, 200)
      .with("--pairs", pairs, 24)
      .with("--rate", rate, 4e-3)
      .with("--layers", layers, 2)
      .with("--width", width, 64)
      .with("--heads", heads, 2)
      .with("--unet-channels", unet_channels, 8)
      .with("--unet-blocks", unet_blocks, 1)
      .with("--drawn", drawn, 100)
      .with("--image-steps", image_steps, 16)
      .with("--read", read, 100);
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
