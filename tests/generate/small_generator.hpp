// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "support/toy.hpp"
#include "transfusion/generate/generator.hpp"

// A small untrained model that generates, prompts for it, and what to look at in its documents.
namespace generate_test {

using namespace test_support;

inline constexpr tf::token_t bos = 0, eos = 1, boi = 2, eoi = 3;

template <class Exec, class Variant = tf::paper>
struct fixture {
  using model_type = tf::model<Variant, Exec>;
  Exec exec;
  model_type model;

  explicit fixture(std::uint64_t seed = 4) : model(exec, sizes(), 1) { stir(model, seed); }
  static tf::model_config<Variant> sizes() { return {.layers = 2, .width = 16, .heads = 2, .vocabulary = 10}; }

  /// Makes a token much likelier, or impossible in practice, whatever came before: the final norm's rows all get a
  /// component that only this row of the head looks at.
  void favour(tf::token_t token, double by) {
    std::vector<typename Exec::scalar> bias(16);
    model.parameters().each([&](auto p) {
      if (p.name() == "embedding") {
        for (tf::index_t v = 0; v < 10; ++v) exec.fill(p.master().slice(16 * v + 15, 16 * v + 16), 30);
      } else if (p.name() == "codec.in.bias") {
        exec.fill(p.master().slice(15, 16), 30);
      } else if (p.name() == "head") {
        for (tf::index_t v = 0; v < 10; ++v) exec.fill(p.master().slice(16 * v + 15, 16 * v + 16), v == token ? by : 0);
      }
    });
    model.parameters().refresh();
  }

  std::vector<tf::generated_document> operator()(const tf::generation_options& options,
                                                 const std::vector<tf::generation_request>& requests) {
    return tf::generator(model, options)(requests);
  }
};

inline tf::generation_options small(tf::index_t max_tokens = 6, tf::index_t max_images = 1) {
  tf::generation_options o;
  o.max_tokens = max_tokens;
  o.max_images = max_images;
  o.image = {1, 4, 4};
  o.image_steps = 6;
  return o;
}

inline tf::document prompt(std::initializer_list<tf::segment> segments) { return segments; }

inline std::vector<tf::token_t> words(const tf::document& d) {
  std::vector<tf::token_t> all;
  for (const auto& s : d.segments)
    if (const auto* t = std::get_if<tf::text>(&s)) all.insert(all.end(), t->tokens.begin(), t->tokens.end());
  return all;
}
inline std::vector<std::vector<float>> images(const tf::document& d) {
  std::vector<std::vector<float>> all;
  for (const auto& s : d.segments)
    if (const auto* im = std::get_if<tf::image>(&s)) all.push_back(im->values);
  return all;
}
/// "tit": text, image, text.
inline std::string form(const tf::document& d) {
  std::string s;
  for (const auto& part : d.segments) s += std::holds_alternative<tf::text>(part) ? 't' : 'i';
  return s;
}

inline double distance_of_images(const tf::document& a, const tf::document& b) {
  const auto x = images(a), y = images(b);
  if (x.size() != y.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::fmax(worst, distance(x[i], y[i]));
  return worst;
}

inline bool same(const tf::document& a, const tf::document& b) {
  return form(a) == form(b) && words(a) == words(b) && images(a) == images(b);
}

/// Prompts with and without text and images, asking for an image or not.
inline std::vector<tf::generation_request> requests() {
  return {{prompt({}), false, 1},
          {prompt({tf::text{{5, 6}}}), true, 2},
          {prompt({toy_image(1)}), false, 3},
          {prompt({tf::text{{7}}, toy_image(0, 2, 6), tf::text{{8}}}), true, 4},
          {prompt({toy_image(2), toy_image(3, 2, 2)}), true, 5},
          {prompt({}), true, 6}};
}

}  // namespace generate_test
