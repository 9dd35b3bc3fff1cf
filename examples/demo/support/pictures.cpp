// SPDX-License-Identifier: Apache-2.0
#include "demo/support/pictures.hpp"

#include <fstream>
#include <sstream>

#include "support/chart.hpp"
#include "support/device.hpp"
#include "support/grid.hpp"
#include "support/report.hpp"

namespace fashion {

namespace {

support::grid_cell cell(const tf::image& im, std::string label = {}, support::color ink = support::colors::ink) {
  return {im.values, im.shape, std::move(label), ink};
}

std::string class_name(index_t label) {
  return std::string(support::fashion_mnist_classes[static_cast<std::size_t>(label)]);
}

}  // namespace

void save_samples(const std::filesystem::path& file, const std::vector<tf::image>& drawn, index_t each,
                  const drawing& how) {
  const index_t per_class = static_cast<index_t>(drawn.size()) / classes;
  std::vector<support::grid_row> rows;
  for (index_t label = 0; label < classes; ++label) {
    rows.push_back({class_name(label), {}});
    for (index_t i = 0; i < each; ++i)
      rows.back().cells.push_back(cell(drawn[static_cast<std::size_t>(label * per_class + i)]));
  }
  const std::string title = "Drawn from \"a photo of ...\", guidance " + support::fixed(how.guidance, 1) + ", " +
                            std::to_string(how.steps) + " steps";
  draw_grid(rows, {.title = title, .magnify = 3}).save(file);
}

template <class Exec>
void save_denoising(const std::filesystem::path& file, model<Exec>& m, const data& d, const drawing& how) {
  constexpr int columns = 10;
  const std::vector<index_t> labels{9, 3, 8};
  std::vector<tf::generation_request> requests;
  std::vector<support::grid_row> rows;
  for (index_t label : labels) {
    requests.push_back({{d.words(label)}, true, how.seed + static_cast<std::uint64_t>(label)});
    rows.push_back({class_name(label), {}});
  }
  std::vector<std::string> heads;
  for (int c = 0; c < columns; ++c) heads.push_back("step " + std::to_string(how.steps * c / (columns - 1)));
  tf::generator<model<Exec>> generate(
      m, {.max_tokens = 0, .image = picture_shape, .image_steps = how.steps, .guidance = how.guidance});
  generate(requests, [&](index_t request, index_t step, const std::vector<float>& values) {
    auto& cells = rows[static_cast<std::size_t>(request)].cells;
    while (cells.size() < columns && step == how.steps * static_cast<index_t>(cells.size()) / (columns - 1))
      cells.push_back(cell({picture_shape, values}));
  });
  draw_grid(rows, {.title = "From noise to picture", .columns = heads, .magnify = 3}).save(file);
}

template <class Exec>
void save_captions(const std::filesystem::path& file, model<Exec>& m, const data& d) {
  constexpr index_t count = 16, across = 8;
  std::vector<tf::image> pictures;
  for (index_t i = 0; i < count; ++i) pictures.push_back(d.picture(d.test(), i));
  const auto captions = greedy_captions(m, pictures);
  std::vector<support::grid_row> rows;
  for (index_t i = 0; i < count; ++i) {
    if (i % across == 0) rows.push_back({});
    const auto n = static_cast<std::size_t>(i);
    const std::string truth = caption(d.test().label(i));
    const bool right = captions[n] == truth;
    rows.back().cells.push_back(
        cell(pictures[n], right ? captions[n] : captions[n] + " (truth: " + class_name(d.test().label(i)) + ")",
             right ? support::colors::good : support::colors::bad));
  }
  draw_grid(rows, {.title = "Captions of test pictures, never seen in training", .magnify = 4}).save(file);
}

template <class Exec>
std::string save_interleaved(const std::filesystem::path& file, model<Exec>& m, const drawing& how) {
  const auto words = vocabulary();
  tf::generator<model<Exec>> generate(m, {.text = {.temperature = 1},
                                          .max_tokens = 24,
                                          .max_images = 2,
                                          .image = picture_shape,
                                          .image_steps = how.steps,
                                          .guidance = how.guidance});
  tf::document best;
  std::size_t most = 0;
  for (std::uint64_t round = 0; round < 8 && most < 2; ++round) {
    std::vector<tf::generation_request> requests;
    for (std::uint64_t i = 0; i < 8; ++i) requests.push_back({{}, false, how.seed + 8 * round + i});
    for (const auto& result : generate(requests)) {
      std::size_t images = 0;
      for (const auto& s : result.content.segments) images += std::holds_alternative<tf::image>(s);
      const bool ended = result.reason == tf::finish_reason::end_token;
      if (ended && images > most) {
        most = images;
        best = result.content;
      }
    }
  }
  std::vector<support::document_part> parts;
  std::string summary;
  for (const auto& s : best.segments) {
    if (const auto* t = std::get_if<tf::text>(&s)) {
      parts.emplace_back(words.decode(t->tokens));
      summary += words.decode(t->tokens) + " ";
    } else {
      parts.emplace_back(cell(std::get<tf::image>(s)));
      summary += "[picture] ";
    }
  }
  if (parts.empty()) {
    summary = "(none of the documents tried came to its end with a picture in it)";
    parts.emplace_back(summary);
  }
  draw_document(parts, {.title = "One document, written by the model alone"}).save(file);
  return summary;
}

void save_losses(const std::filesystem::path& file, const std::filesystem::path& log) {
  support::series text{"text (nats a token)", {}, {}}, picture{"image (mean squared error)", {}, {}};
  std::ifstream in(log);
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    double step = 0, text_loss = 0, image_loss = 0;
    char comma = 0;
    std::istringstream(line) >> step >> comma >> text_loss >> comma >> image_loss;
    text.x.push_back(step);
    text.y.push_back(text_loss);
    picture.x.push_back(step);
    picture.y.push_back(image_loss);
  }
  const support::series lines[] = {text, picture};
  draw_chart(lines, {.title = "Training losses", .x_label = "step", .log_y = true, .smooth = 51}).save(file);
}

template void save_denoising(const std::filesystem::path&, model<support::cpu_policy>&, const data&, const drawing&);
template void save_captions(const std::filesystem::path&, model<support::cpu_policy>&, const data&);
template std::string save_interleaved(const std::filesystem::path&, model<support::cpu_policy>&, const drawing&);
#if TRANSFUSION_HAS_CUDA
template void save_denoising(const std::filesystem::path&, model<support::cuda_policy>&, const data&, const drawing&);
template void save_captions(const std::filesystem::path&, model<support::cuda_policy>&, const data&);
template std::string save_interleaved(const std::filesystem::path&, model<support::cuda_policy>&, const drawing&);
#endif

}  // namespace fashion
