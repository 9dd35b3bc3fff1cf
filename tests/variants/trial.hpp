// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"
#include "transfusion/core/policy_name.hpp"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/generate/generator.hpp"
#include "transfusion/io/model_file.hpp"
#include "transfusion/testing/compare.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/train/trainer.hpp"

// What every variant must be able to do. Each step returns a complaint, or nothing.
namespace variants {

namespace tf = transfusion;
using exec = tf::cpu_exec<double>;

/// Text and two images of different sizes, an image first, text alone: for any variant.
std::vector<tf::document> documents();
/// A document whose prefix is its text.
tf::document prompt();

template <class Codec, class Options>
void set_sizes(Options& o) {
  o.channels = 2;
  if constexpr (requires { o.level_channels; }) {
    o.level_channels = {4, 8, 8, 8};
    o.blocks = 1;
    o.groups = 2;
    o.heads = 2;
    o.time_width = 8;
  }
}

/// What is data and no policy goes by the variant's number: a third of them drop out, every other one smooths.
template <class Variant>
tf::model_config<Variant> config(std::size_t number) {
  tf::model_config<Variant> c{
      .layers = 2, .width = 16, .heads = 2, .vocabulary = 13, .kv_heads = 1, .feed_forward = 12};
  c.dropout = number % 3 == 1 ? 0.1 : 0;
  c.label_smoothing = number % 2 == 1 ? 0.1 : 0;
  set_sizes<typename Variant::codec>(c.codec);
  return c;
}

/// Weights as after some training: no gradient is 0 by the start's symmetry.
template <class Model>
void shake(Model& m, double deviation) {
  tf::buffer<exec, double> noise(m.exec(), m.parameters().values().size());
  m.exec().normal(noise.all(), {7, 0, tf::stream::test}, deviation);
  m.parameters().each([&](auto p) {
    const auto added = noise.all().slice(p.offset(), p.offset() + p.size());
    m.exec().add({p.master().data, 1, p.size()}, {p.master().data, 1, p.size()}, {added.data, 1, p.size()});
  });
}

template <class Variant>
class trial {
  using model_type = tf::model<Variant, exec>;

 public:
  explicit trial(std::size_t number) : exec_(1), model_(exec_, config<Variant>(number), 1) {}

  /// What is wrong with this variant; empty where nothing is.
  std::string run() {
    shake(model_, 0.1);
    std::string fault = directional_derivative();
    if (fault.empty()) fault = training();
    if (fault.empty()) fault = files();
    if (fault.empty()) fault = generation();
    return fault;
  }

 private:
  /// The way back against central differences, along one direction through all parameters.
  std::string directional_derivative() {
    const auto batch = model_.pack(documents());
    const auto plan = model_.plan_noise(batch, {17, 3, tf::stream::noise});
    auto& parameters = model_.parameters();
    parameters.allocate_gradients();
    parameters.zero_gradients();
    tf::tape<exec> tape(exec_);
    model_.loss(tape, batch, plan);
    tape.backward();
    tf::buffer<exec, double> direction(exec_, parameters.values().size());
    exec_.fill(direction.all(), 0);
    parameters.each([&](auto p) {
      exec_.normal(direction.all().slice(p.offset(), p.offset() + p.size()),
                   {11, static_cast<std::uint32_t>(p.offset()), tf::stream::test},
                   1 / std::sqrt(static_cast<double>(p.size())));
    });
    const auto along = tf::testing::on_host(exec_, direction.all()),
               gradient = tf::testing::on_host(exec_, parameters.gradients()),
               kept = tf::testing::on_host(exec_, parameters.values());
    double analytic = 0, squares = 0;
    for (std::size_t i = 0; i < along.size(); ++i) {
      analytic += along[i] * gradient[i];
      squares += along[i] * along[i] * gradient[i] * gradient[i];
    }
    const auto put = [&](double h) {
      auto moved = kept;
      for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += h * along[i];
      exec_.upload(parameters.values().data, moved.data(), moved.size() * sizeof(double));
    };
    const double numeric = tf::testing::central_difference(
        [&](double h) {
          put(h);
          return objective(batch, plan);
        },
        2e-4);
    put(0);
    const double error = std::abs(analytic - numeric) / std::sqrt(squares);
    if (error < 1e-6) return {};
    return tf::detail::message("directional derivative: analytic ", analytic, ", numeric ", numeric);
  }

  /// The objective that the way back differentiates, weighted image by image as the variant weighs.
  double objective(const tf::packed_batch& batch, const tf::noise_plan& plan) {
    tf::tape<exec> tape(exec_);  // one that records drops out as training does
    const auto losses = model_.loss(tape, batch, plan);
    double sum = 0;
    for (std::size_t i = 0; i < model_type::loss_type::terms; ++i) {
      const auto& term = losses.terms[i];
      const bool image = model_type::loss_type::names[i] == "image";
      const auto each = tf::testing::on_host(exec_, term.each);
      for (std::size_t j = 0; j < each.size(); ++j) {
        double weight = model_.config().loss_weights[i];
        if (image && !batch.context[j]) {
          const auto& l = plan.levels[j];
          weight *= typename Variant::weighting{}(l, Variant::target::of(l.signal, l.noise));
        }
        sum += weight * term.part(static_cast<tf::index_t>(j), each[j]);
      }
    }
    return sum;
  }

  /// Three steps in two small batches each; the trainer throws where a loss or gradient is not finite.
  std::string training() {
    const auto before = tf::testing::on_host(exec_, model_.parameters().values());
    tf::trainer<model_type> trainer(model_, {.steps = 3, .warmup = 1, .micro_batches = 2, .quiet = true});
    for (int i = 0; i < 3; ++i) {
      const auto report = trainer.step(documents());
      if (!(report.gradient_norm > 0)) return "training: the gradient is 0";
    }
    if (before == tf::testing::on_host(exec_, model_.parameters().values())) return "training: no weight has moved";
    return {};
  }

  std::string files() {
    const test_support::folder folder;
    tf::save_model(folder / "model.safetensors", model_);
    model_type loaded(exec_, tf::read_config<Variant>(tf::safetensors_file(folder / "model.safetensors")), 2);
    tf::load_weights(tf::safetensors_file(folder / "model.safetensors"), loaded);
    if (tf::testing::on_host(exec_, model_.parameters().values()) !=
        tf::testing::on_host(exec_, loaded.parameters().values()))
      return "files: found other weights than were saved";
    return {};
  }

  /// Whether x̂0 can be recovered where drawing begins: ε says nothing of it where no signal is left.
  static bool can_begin() {
    const auto level = tf::level_at(typename Variant::schedule{}, 1);
    return level.signal > 0 || Variant::target::of(level.signal, level.noise).data != 0;
  }
  static constexpr bool looks_ahead = std::is_same_v<typename Variant::mask, tf::mask::bidirectional>;

  /// Text, an image and text again; what cannot be generated is refused by the names of the policies.
  std::string generation() {
    const std::string wanted = can_begin() ? "looks ahead" : tf::policy_name<typename Variant::schedule>();
    try {
      tf::generator<model_type> g(
          model_, {.max_tokens = 2, .image = {2, 4, 4}, .image_steps = 3, .data_low = -3, .data_high = 3});
      const auto made = g({{.prompt = prompt(), .begin_image = true, .seed = 5}}).front();
      if (!can_begin() || looks_ahead) return "generation: found no error, expected one with " + wanted;
      for (const tf::segment& s : made.content.segments)
        if (const auto* image = std::get_if<tf::image>(&s))
          for (float v : image->values)
            if (!std::isfinite(v)) return "generation: found a value that is no number";
    } catch (const tf::config_error& fault) {
      if (can_begin() && !looks_ahead) return std::string("generation: ") + fault.what();
      if (!std::strstr(fault.what(), wanted.c_str())) return tf::detail::message("generation: ", fault.what());
    }
    return {};
  }

  exec exec_;
  model_type model_;
};

/// The trial of one variant of the list.
struct numbered_trial {
  std::size_t number;
  std::string (*run)();
};
std::vector<numbered_trial>& trials();

}  // namespace variants
