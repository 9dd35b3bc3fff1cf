// SPDX-License-Identifier: Apache-2.0
// A tiny model learns to draw a bar where a word says, and to say where a bar is, in seconds.
#include <cstdio>
#include <transfusion/generate.hpp>
#include <transfusion/model.hpp>
#include <transfusion/train.hpp>

namespace tf = transfusion;

// The paper's recipe with one change: the model predicts v instead of the noise.
struct recipe : tf::paper {
  using target = tf::target::v;
};

constexpr const char* words[] = {"left", "right", "top", "bottom"};
constexpr tf::token_t first_word = 4;  // 0 to 3 are BOS, EOS, BOI and EOI
constexpr tf::image_shape shape{1, 8, 8};

tf::text word(int place) { return {{first_word + place}}; }

tf::image bar(int place, int shift) {  // three pixels wide; values in [-1, 1]
  tf::image picture{shape, std::vector<float>(64, -1.0f)};
  for (int i = 0; i < 24; ++i) {
    const int across = i / 8 + shift + (place % 2 ? 4 : 0), along = i % 8;
    picture.values[static_cast<std::size_t>(place < 2 ? 8 * along + across : 8 * across + along)] = 1.0f;
  }
  return picture;
}

void print(const tf::image& picture) {
  for (std::size_t i = 0; i < 64; ++i) std::printf(i % 8 == 7 ? "%s\n" : "%s", picture.values[i] > 0 ? "##" : "..");
}

int main() {
  tf::cpu_exec<float> exec(1);  // one thread: so small a model gains nothing from more
  tf::model<recipe, tf::cpu_exec<float>> model(
      exec, {.layers = 2, .width = 64, .heads = 2, .vocabulary = 8, .codec = {.channels = 1, .patch = 4}}, 1);

  tf::trainer train(model, {.steps = 1200, .peak_rate = 3e-3, .last_rate = 1e-4, .warmup = 20});
  train.run([](tf::index_t step) {
    std::vector<tf::document> documents;
    for (int i = 0; i < 32; ++i) {  // both directions: words first, then pictures first
      const int place = i % 4, shift = static_cast<int>(step + i / 4) % 2;
      tf::segment said = word(place), shown = bar(place, shift);
      documents.push_back(i < 16 ? tf::document{said, shown} : tf::document{shown, said});
    }
    return documents;
  });

  tf::generator draw(model, {.max_tokens = 0, .image = shape, .image_steps = 50});
  const auto drawn = draw({{.prompt = {word(2)}, .begin_image = true, .seed = 7}});
  std::printf("drawn from \"%s\":\n", words[2]);
  print(std::get<tf::image>(drawn[0].content.segments.back()));

  tf::generator describe(model, {.max_tokens = 1, .max_images = 0});
  const auto said = describe({{.prompt = {bar(1, 0)}}});
  print(bar(1, 0));
  std::printf("is \"%s\"\n", words[std::get<tf::text>(said[0].content.segments.back()).tokens[0] - first_word]);
}
