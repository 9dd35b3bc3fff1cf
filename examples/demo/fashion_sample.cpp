// SPDX-License-Identifier: Apache-2.0
// Draws pictures from a caption with a trained model.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "demo/support/evaluation.hpp"
#include "demo/support/training.hpp"
#include "support/grid.hpp"

namespace {

template <class Exec>
void draw(Exec& e, const fashion::settings& common, const std::string& checkpoint,
          const std::vector<std::string>& captions, int count, const fashion::drawing& how, const std::string& out) {
  fashion::model<Exec> m = fashion::load(e, checkpoint);
  const auto words = fashion::vocabulary();
  transfusion::generator<fashion::model<Exec>> generate(
      m, {.max_tokens = 0, .image = fashion::picture_shape, .image_steps = how.steps, .guidance = how.guidance});
  std::vector<transfusion::generation_request> requests;
  for (const std::string& caption : captions)
    for (int i = 0; i < count; ++i)
      requests.push_back(
          {{transfusion::text{words.encode(caption)}}, true, common.seed + static_cast<std::uint64_t>(i)});
  const auto results = generate(requests);
  std::vector<support::grid_row> rows;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (i % static_cast<std::size_t>(count) == 0) rows.push_back({captions[i / static_cast<std::size_t>(count)], {}});
    const auto& picture = std::get<transfusion::image>(results[i].content.segments.back());
    rows.back().cells.push_back({picture.values, picture.shape});
  }
  draw_grid(rows, {.magnify = 4}).save(out);
  std::printf("%zu pictures: %s\n", results.size(), out.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  fashion::settings common;
  fashion::drawing how;
  std::string checkpoint = "demo/fashion.safetensors", out = "drawn.png";
  std::vector<std::string> captions;
  int count = 8;
  CLI::App app("Draws pictures from captions such as \"a photo of an ankle boot\".", "fashion_sample");
  common.add_to(app);
  app.add_option("caption", captions, "Captions, one row of pictures each")->required();
  app.add_option("--checkpoint", checkpoint, "The trained model")->capture_default_str()->check(CLI::ExistingFile);
  app.add_option("--count", count, "Pictures a caption")->capture_default_str()->check(CLI::Range(1, 64));
  app.add_option("--guidance", how.guidance, "Scale of classifier-free guidance")->capture_default_str();
  app.add_option("--image-steps", how.steps, "Solver steps a picture")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--out", out, "The PNG to write")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    support::on_device(common.device, [&](auto& e) { draw(e, common, checkpoint, captions, count, how, out); });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "fashion_sample: %s\n", fault.what());
    return 1;
  }
}
