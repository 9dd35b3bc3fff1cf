// SPDX-License-Identifier: Apache-2.0
// Trains one model to draw clothes from captions and to caption clothes, and shows what it has learnt.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "demo/support/pictures.hpp"
#include "demo/support/report.hpp"
#include "demo/support/training.hpp"

namespace {

struct demo_settings {
  fashion::settings common;
  fashion::training_settings training;
  fashion::drawing drawing;
  std::string out = "demo";
  std::string checkpoint;
  transfusion::index_t drawn_each = 64;
  transfusion::index_t captioned = 2000;
};

template <class Exec>
void run(Exec& e, demo_settings s) {
  const std::filesystem::path out(s.out);
  std::filesystem::create_directories(out);
  s.drawing.seed = s.common.seed;
  const fashion::data d(s.common.data_folder);
  fashion::findings f;
  f.draws = s.drawing;

  const std::filesystem::path log = out / "training.csv";
  std::filesystem::path checkpoint(s.checkpoint);
  if (checkpoint.empty()) {
    checkpoint = out / "fashion.safetensors";
    f.training = fashion::train(e, d, s.common, s.training, checkpoint, log);
    f.product = fashion::measured_product(e);
    fashion::save_losses(out / "loss.png", log);
  }
  fashion::model<Exec> m = fashion::load(e, checkpoint);
  f.sizes = m.config();

  fashion::judge judge(s.common.device.threads, fashion::picture_shape.size(), fashion::classes, s.common.seed);
  judge.train(d.train(), 8, s.common.seed);
  f.captions = fashion::measure_captions(m, d, s.captioned);
  const auto drawn = fashion::draw_classes(m, d, s.drawn_each, s.drawing);
  f.pictures = fashion::measure_pictures(judge, d, drawn);

  fashion::save_samples(out / "samples.png", drawn, std::min<transfusion::index_t>(8, s.drawn_each), s.drawing);
  fashion::save_denoising(out / "denoising.png", m, d, s.drawing);
  fashion::save_captions(out / "captions.png", m, d);
  f.interleaved = fashion::save_interleaved(out / "interleaved.png", m, s.drawing);
  fashion::save_report(out / "report.md", f);
  std::printf("%s\nPictures and report: %s\n", fashion::summary(f).c_str(), out.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  demo_settings s;
  CLI::App app("Trains a Transfusion model on Fashion-MNIST, draws, captions, and writes pictures and a report.",
               "demo");
  s.common.add_to(app);
  auto* training = app.add_option_group("Training");
  s.training.add_to(*training);
  app.add_option("--out", s.out, "Folder for pictures, report and checkpoint")->capture_default_str();
  training->excludes(app.add_option("--checkpoint", s.checkpoint, "Show this trained model instead of training one")
                         ->check(CLI::ExistingFile));
  app.add_option("--guidance", s.drawing.guidance, "Scale of classifier-free guidance")->capture_default_str();
  app.add_option("--image-steps", s.drawing.steps, "Solver steps a picture")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--drawn", s.drawn_each, "Pictures drawn of each class for the judge")
      ->capture_default_str()
      ->check(CLI::Range(13, 1000));
  app.add_option("--captioned", s.captioned, "Test pictures to caption")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  CLI11_PARSE(app, argc, argv);
  try {
    support::on_device(s.common.device, [&](auto& e) { run(e, s); });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "demo: %s\n", fault.what());
    return 1;
  }
}
