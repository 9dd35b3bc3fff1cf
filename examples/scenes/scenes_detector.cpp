// SPDX-License-Identifier: Apache-2.0
// Measures how many scenes the detector reads exactly, as they are drawn and harmed.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "scenes/support/detector.hpp"
#include "scenes/support/draw.hpp"
#include "scenes/support/generate.hpp"
#include "scenes/support/harm.hpp"

namespace {

using scenes::index_t;

struct line {
  const char* name;
  scenes::harm of;
};
constexpr line lines[] = {
    {"as drawn", {}},
    {"blur of 1 pixel", {.blur = 1}},
    {"channels shifted by up to 0.15", {.shift = 0.15}},
    {"noise of 0.2, a tenth of the range", {.noise = 0.2}},
    {"blur of 1 pixel, noise of 0.1", {.blur = 1, .noise = 0.1}},
    {"blur of 1 pixel, shift of 0.15, noise of 0.2", {.blur = 1, .shift = 0.15, .noise = 0.2}},
};

double share_read(index_t side, index_t count, std::uint64_t seed, const scenes::harm& h) {
  index_t right = 0;
  for (index_t n = 0; n < count; ++n) {
    const auto drawn = scenes::training_scene(seed, static_cast<std::uint64_t>(n)).shown;
    const auto found = scenes::read_scene(harmed(draw(drawn, side), h, {seed, static_cast<std::uint32_t>(n)}));
    right += found && is_close(*found, drawn);
  }
  return static_cast<double>(right) / static_cast<double>(count);
}

}  // namespace

int main(int argc, char** argv) {
  index_t count = 2000;
  std::uint64_t seed = 1;
  CLI::App app("Prints the share of scenes that are read whole: each object with shape, colour, place and size",
               "scenes_detector");
  app.add_option("--scenes", count, "Scenes a line")->capture_default_str()->check(CLI::Range(1, 100000000));
  app.add_option("--seed", seed, "Another seed, other scenes")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    std::printf("| %lld scenes | 32×32 | 64×64 |\n|---|---|---|\n", static_cast<long long>(count));
    for (const line& l : lines)
      std::printf("| %s | %.2f %% | %.2f %% |\n", l.name, 100 * share_read(32, count, seed, l.of),
                  100 * share_read(64, count, seed, l.of));
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "scenes_detector: %s\n", fault.what());
    return 1;
  }
}
