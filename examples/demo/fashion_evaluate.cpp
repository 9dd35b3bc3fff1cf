// SPDX-License-Identifier: Apache-2.0
// Measures a trained model: captions against the truth, drawn pictures by the judge and by Fréchet distance.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "demo/support/report.hpp"

int main(int argc, char** argv) {
  fashion::settings common;
  fashion::findings f;
  std::string checkpoint = "demo/fashion.safetensors";
  transfusion::index_t each = 64, captioned = 2000;
  CLI::App app("Measures a trained model on the test set.", "fashion_evaluate");
  common.add_to(app);
  app.add_option("--checkpoint", checkpoint, "The trained model")->capture_default_str()->check(CLI::ExistingFile);
  app.add_option("--guidance", f.draws.guidance, "Scale of classifier-free guidance")->capture_default_str();
  app.add_option("--image-steps", f.draws.steps, "Solver steps a picture")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--drawn", each, "Pictures drawn of each class")->capture_default_str()->check(CLI::Range(13, 1000));
  app.add_option("--captioned", captioned, "Test pictures to caption")
      ->capture_default_str()
      ->check(CLI::Range(2, 10000));
  CLI11_PARSE(app, argc, argv);
  try {
    f.draws.seed = common.seed;
    support::on_device(common.device, [&]<class Exec>(Exec& e) {
      const fashion::data d(common.data_folder);
      fashion::model<Exec> m = fashion::load(e, checkpoint);
      support::judge judge(common.device.threads, fashion::picture_shape.size(), fashion::classes, common.seed);
      judge.train(d.train(), 8, common.seed);
      f.captions = fashion::measure_captions(m, d, captioned);
      f.pictures = fashion::measure_pictures(judge, d, fashion::draw_classes(m, d, each, f.draws));
      std::printf("%s\n", fashion::summary(f).c_str());
    });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "fashion_evaluate: %s\n", fault.what());
    return 1;
  }
}
