// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <vector>

#include "generate/small_generator.hpp"

namespace generate_test {

/// The paper's algorithm without a cache: every token and every solver step runs the whole document again, in the
/// packing of training; the unguided rows are the document that training makes of a dropped caption.
template <class Model>
class plain_generator {
 public:
  using exec = typename Model::exec_type;
  using scalar = typename Model::scalar;

  plain_generator(Model& model, tf::generation_options options) : model_(model), options_(options) {}

  tf::generated_document operator()(const tf::generation_request& request) {
    tf::generated_document result{request.prompt, static_cast<tf::index_t>(request.prompt.segments.size()), {}};
    tf::document& d = result.content;
    tf::index_t tokens = 0, drawn = 0;
    bool image_next = request.begin_image;
    if (!image_next && options_.max_tokens == 0) return result;
    while (true) {
      if (image_next) {
        d.segments.emplace_back(tf::image{options_.image, draw(d, request.seed, drawn++)});
        image_next = false;
        if (tokens >= options_.max_tokens) {
          result.reason = options_.max_tokens == 0 ? tf::finish_reason::image_limit : tf::finish_reason::token_limit;
          return result;
        }
      }
      const tf::token_t token = next(d, drawn < options_.max_images);
      if (token == eos) {
        result.reason = tf::finish_reason::end_token;
        return result;
      }
      if (token == boi) {
        image_next = true;
        continue;
      }
      if (static_cast<tf::index_t>(d.segments.size()) == result.prompt_segments ||
          std::holds_alternative<tf::image>(d.segments.back()))
        d.segments.emplace_back(tf::text{});
      std::get<tf::text>(d.segments.back()).tokens.push_back(token);
      if (++tokens == options_.max_tokens) {
        result.reason = tf::finish_reason::token_limit;
        return result;
      }
    }
  }

 private:
  struct rows {
    std::vector<double> hidden, prediction;
  };

  /// Hidden rows and predictions of a document whose last image stands at `level` (with the values x, if there are
  /// any), all others clean.
  rows run(tf::document d, tf::noise_level level, const std::vector<double>& x = {}) {
    d.open_ended = true;
    const auto batch = model_.pack({d});
    auto plan = Model::clean(batch);
    if (!plan.levels.empty()) plan.levels.back() = level;
    tf::tape<exec> tape(model_.exec(), tf::recording::off);
    std::vector<scalar> values(batch.values.begin(), batch.values.end() - static_cast<std::ptrdiff_t>(x.size()));
    for (double v : x) values.push_back(static_cast<scalar>(v));
    const auto out =
        model_.forward(tape, model_.inputs(tape, batch, tape.upload(values), plan));
    const auto hidden = host_copy<scalar>(model_.exec(), out.hidden.value().flat());
    rows r{{hidden.begin(), hidden.end()}, {}};
    if (out.prediction) {
      const auto prediction = host_copy<scalar>(model_.exec(), out.prediction.value().flat());
      r.prediction.assign(prediction.begin(), prediction.end());
    }
    return r;
  }

  tf::token_t next(const tf::document& d, bool may_draw) {
    const auto r = run(d, Model::clean_level);
    const std::size_t width = static_cast<std::size_t>(model_.config().width);
    std::vector<scalar> head;
    model_.parameters().each([&](auto p) {
      if (p.name() == "head") head = host_copy<scalar>(model_.exec(), p.flat_value());
    });
    tf::token_t best = -1;
    double top = -INFINITY;
    for (tf::token_t v = 0; v < model_.config().vocabulary; ++v) {
      if (v == bos || v == eoi || (v == boi && !may_draw)) continue;
      double logit = 0;
      for (std::size_t i = 0; i < width; ++i)
        logit +=
            r.hidden[r.hidden.size() - width + i] * static_cast<double>(head[static_cast<std::size_t>(v) * width + i]);
      if (logit > top) {
        top = logit;
        best = v;
      }
    }
    return best;
  }

  /// The prediction for image x after document d (or alone).
  std::vector<double> predict(tf::document d, const std::vector<double>& x, tf::noise_level level) {
    d.segments.emplace_back(tf::image{options_.image, std::vector<float>(x.begin(), x.end())});
    const auto all = run(std::move(d), level, x).prediction;
    return {all.end() - static_cast<std::ptrdiff_t>(x.size()), all.end()};
  }

  std::vector<float> draw(const tf::document& d, std::uint64_t seed, tf::index_t number) {
    const auto size = static_cast<std::size_t>(options_.image.size());
    const auto normals = [&](std::uint32_t step, tf::stream purpose) {
      std::vector<double> z;
      double four[4];
      for (std::size_t i = 0; i < size; ++i) {
        if (i % 4 == 0) tf::normal_block({seed, step, purpose}, i / 4, four);
        z.push_back(four[i % 4]);
      }
      return z;
    };
    std::vector<double> x = normals(static_cast<std::uint32_t>(number), tf::stream::first_noise);
    const auto times = tf::respaced_times(options_.image_steps);
    for (std::size_t k = 0; k + 1 < times.size(); ++k) {
      const auto now = tf::level_at(model_.schedule(), times[k]), then = tf::level_at(model_.schedule(), times[k + 1]);
      const auto target = Model::variant_type::target::of(now.signal, now.noise);
      const auto guided = predict(d, x, now), unguided = predict({}, x, now);
      const auto step = typename Model::variant_type::solver{}.step(now, then);
      const auto z =
          normals(static_cast<std::uint32_t>(number) << 16 | static_cast<std::uint32_t>(k), tf::stream::solver_noise);
      for (std::size_t i = 0; i < size; ++i) {
        const double y = unguided[i] + options_.guidance * (guided[i] - unguided[i]);
        const auto data = tf::recover_data(now, target);
        const double x0 = std::fmin(std::fmax(data.on_x * x[i] + data.on_y * y, options_.data_low), options_.data_high);
        x[i] = step.on_x * x[i] + step.on_data * x0 + step.fresh_noise * z[i];
      }
    }
    return {x.begin(), x.end()};
  }

  Model& model_;
  tf::generation_options options_;
};

}  // namespace generate_test
