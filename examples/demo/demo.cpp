// SPDX-License-Identifier: Apache-2.0
// Trains one model to draw clothes from captions and to caption clothes, and shows what it has learnt.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "demo/support/demo_settings.hpp"
#include "demo/support/pictures.hpp"
#include "demo/support/report.hpp"
#include "demo/support/training.hpp"

namespace {

template <class Exec>
void run(Exec& e, fashion::demo_settings s) {
  const std::filesystem::path out(s.out);
  std::filesystem::create_directories(out);
  s.draws.seed = s.common.seed;
  const fashion::data d(s.common.data_folder);
  fashion::findings f;
  f.draws = s.draws;

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

  support::judge judge(s.common.device.threads, fashion::picture_shape.size(), fashion::classes, s.common.seed);
  judge.train(d.train(), 8, s.common.seed);
  f.captions = fashion::measure_captions(m, d, s.captioned);
  const auto drawn = fashion::draw_classes(m, d, s.drawn_each, s.draws);
  f.pictures = fashion::measure_pictures(judge, d, drawn);

  fashion::save_samples(out / "samples.png", drawn, std::min<transfusion::index_t>(8, s.drawn_each), s.draws);
  fashion::save_denoising(out / "denoising.png", m, d, s.draws);
  fashion::save_captions(out / "captions.png", m, d);
  f.interleaved = fashion::save_interleaved(out / "interleaved.png", m, s.draws);
  fashion::save_report(out / "report.md", f);
  std::printf("%s\nPictures and report: %s\n", fashion::summary(f).c_str(), out.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  fashion::demo_settings s;
  CLI::App app("Trains a Transfusion model on Fashion-MNIST, draws, captions, and writes pictures and a report.",
               "demo");
  s.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    support::on_device(s.common.device, [&](auto& e) { run(e, s); });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "demo: %s\n", fault.what());
    return 1;
  }
}
