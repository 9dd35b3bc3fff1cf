// SPDX-License-Identifier: Apache-2.0
// Text, pictures and sounds in one model and one document. Each continuous modality has its own codec, schedule,
// target, solver, loss weight and tokens; the transformer between them is one.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <transfusion/generate.hpp>
#include <transfusion/model.hpp>
#include <transfusion/train.hpp>

#include "modalities/support/toy.hpp"

namespace mine {

namespace tf = transfusion;

/// Sounds flow straight from noise to signal.
struct sounds : tf::paper {
  using schedule = tf::schedule::rectified_flow;
  using target = tf::target::velocity;
  using solver = tf::solver::heun;
};
/// Pictures as in the paper but for the target, which learns faster; a token of its own tells an item's time.
struct recipe : tf::paper {
  using target = tf::target::v;
  using timestep = tf::timestep::token;
  using position = tf::position::axial_2d;
  using other_modalities = tf::modality_list<sounds>;
};
using model_type = tf::model<recipe, tf::cpu_exec<float>>;

tf::model_config<recipe> sizes() {
  tf::model_config<recipe> c{.layers = 3, .width = 64, .heads = 2, .vocabulary = toy::vocabulary};
  c.codec.patch = 4;
  auto& sound = c.modality<1>();
  sound.codec.patch = 8;  // eight samples in a row
  sound.codec.patch_height = 1;
  sound.begin = toy::begin_sound;
  sound.end = toy::end_sound;
  sound.loss_weight = 0.5;
  return c;
}

/// A wave as a line of characters.
std::string drawing_of(const tf::image& sound) {
  static const char* const heights[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string line;
  for (float v : sound.values) line += heights[std::clamp(static_cast<int>((v + 1) * 4), 0, 7)];
  return line;
}

/// What the model makes of the beginning of documents: how many of the items it was asked for say what was asked.
struct score {
  int right = 0, asked = 0;
};

score draw(model_type& model, tf::index_t modality, const tf::document (*prompt)(int), bool show) {
  tf::generation_options options{.max_tokens = 0,
                                 .image = toy::picture_shape,
                                 .image_steps = 40,
                                 .guidance = 1,
                                 .others = {{toy::sound_shape, 40}}};
  options.others[0].data_low = -1.2;
  options.others[0].data_high = 1.2;
  tf::generator<model_type> generate(model, options);
  std::vector<tf::generation_request> requests;
  for (int i = 0; i < 4 * toy::kinds; ++i)
    requests.push_back({.prompt = prompt(i % toy::kinds),
                        .begin_image = true,
                        .seed = static_cast<std::uint64_t>(i),
                        .begin_modality = modality});
  score s;
  for (const auto& result : generate(requests)) {
    const auto& item = std::get<tf::image>(result.content.segments.back());
    const int kind = s.asked++ % toy::kinds;
    s.right += toy::nearest(item) == kind;
    if (show && s.asked <= toy::kinds) std::printf("  asked for %d: %s\n", kind + 1, drawing_of(item).c_str());
  }
  return s;
}

score name(model_type& model) {
  tf::generator<model_type> generate(model, {.max_tokens = 1, .max_images = 0});
  score s;
  std::vector<tf::generation_request> requests;
  for (int i = 0; i < 4 * toy::kinds; ++i) requests.push_back({.prompt = {toy::sound(i % toy::kinds, i / toy::kinds)}});
  for (const auto& result : generate(requests)) {
    const auto* said = std::get_if<tf::text>(&result.content.segments.back());
    s.right += said && said->tokens == toy::name(s.asked % toy::kinds).tokens;
    ++s.asked;
  }
  return s;
}

/// Whether every task was learnt: half of it right, where a guess is a quarter.
bool run() {
  tf::cpu_exec<float> exec(1);  // one thread: so small a model gains nothing from more
  model_type model(exec, sizes(), 1);
  tf::trainer<model_type> trainer(model, {.steps = 1600, .peak_rate = 3e-3, .last_rate = 1e-4, .warmup = 20});
  trainer.run([](tf::index_t step) { return toy::documents(step); });

  bool learnt = true;
  const auto say = [&](const char* what, score s) {
    std::printf("%-44s %2d of %d\n", what, s.right, s.asked);
    learnt = learnt && 2 * s.right >= s.asked;
  };
  say("pictures drawn from a name", draw(
                                        model, 0, [](int k) -> const tf::document { return {toy::name(k)}; }, false));
  say("pictures drawn from a sound and its name", draw(
                                                      model, 0,
                                                      [](int k) -> const tf::document {
                                                        return {toy::sound(k, 3), toy::name(k)};
                                                      },
                                                      false));
  say("sounds named", name(model));
  std::printf("sounds for a picture:\n");
  say("sounds drawn from a picture",
      draw(
          model, 1, [](int k) -> const tf::document { return {toy::picture(k)}; }, true));
  return learnt;
}

}  // namespace mine

int main() {
  try {
    return mine::run() ? 0 : 1;
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "modalities: %s\n", fault.what());
    return 1;
  }
}
