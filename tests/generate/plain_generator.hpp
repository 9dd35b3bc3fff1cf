// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "generate/small_generator.hpp"

namespace generate_test {

/// A solver's run on the host, of one item: x̂0 comes from a function of (x, level), noise from one of the draw's
/// number, and what is kept from a function that changes x at a level.
template <class Schedule, class Data, class Noise, class Keep>
class plain_run final : public tf::solver_run {
 public:
  plain_run(const Schedule& schedule, std::vector<double> start, Data data, Noise noise, Keep keep)
      : schedule_(schedule), data_(data), noise_(noise), keep_(keep) {
    fields_.push_back(std::move(start));
  }

  tf::field make() override {
    fields_.emplace_back(fields_[0].size());
    return {static_cast<int>(fields_.size()) - 1};
  }
  tf::noise_level level(double time) const override { return tf::level_at(schedule_, time); }
  void predict(tf::field data, tf::field from, const tf::noise_level& level) override {
    at(data) = data_(at(from), level);
  }
  void combine(tf::field out, const std::vector<tf::term>& terms) override {
    std::vector<double> sum(at(out).size());
    for (const tf::term& t : terms)
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += t.factor * at(t.of)[i];
    at(out) = sum;
  }
  void add_noise(double amount) override {
    const std::vector<double> z = noise_(draws_++);
    for (std::size_t i = 0; i < z.size(); ++i) at(x)[i] += amount * z[i];
  }
  double error(tf::field e, tf::field a, tf::field b, double absolute, double relative) override {
    double squares = 0;
    for (std::size_t i = 0; i < at(e).size(); ++i)
      squares += std::pow(at(e)[i] / (absolute + relative * std::fmax(std::abs(at(a)[i]), std::abs(at(b)[i]))), 2);
    return std::sqrt(squares / static_cast<double>(at(e).size()));
  }
  bool reached(const tf::noise_level& level) override { return keep_(at(x), level); }

  const std::vector<double>& values() const { return fields_[0]; }

 private:
  void repeat_call(void (*call)(const void*), const void* f) override { call(f); }
  std::vector<double>& at(tf::field f) { return fields_[static_cast<std::size_t>(f.number)]; }

  Schedule schedule_;
  Data data_;
  Noise noise_;
  Keep keep_;
  std::vector<std::vector<double>> fields_;
  std::uint32_t draws_ = 0;
};

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
    tf::index_t tokens = 0, drawn = 0, item_next = request.begin_image ? request.begin_modality : -1;
    const tf::image_edit* edit = request.edit ? &*request.edit : nullptr;
    if (item_next < 0 && options_.max_tokens == 0) return result;
    while (true) {
      if (item_next >= 0) {
        Model::for_each_modality([&](auto m) {
          if (item_next != static_cast<tf::index_t>(m)) return;
          tf::image item{options_.item(m).shape, draw<m>(d, request.seed, drawn++, edit), item_next};
          d.segments.emplace_back(std::move(item));
        });
        item_next = -1;
        edit = nullptr;
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
      const auto markers = model_.config().modality_tokens();
      for (std::size_t m = 0; m < markers.size(); ++m)
        if (token == markers[m].begin) item_next = static_cast<tf::index_t>(m);
      if (item_next >= 0) continue;
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
    const auto out = model_.forward(tape, model_.inputs(tape, batch, tape.upload(values), plan));
    const auto hidden = host_copy<scalar>(model_.exec(), out.hidden.value().flat());
    rows r{{hidden.begin(), hidden.end()}, {}};
    if (out.prediction) {
      const auto prediction = host_copy<scalar>(model_.exec(), out.prediction.value().flat());
      r.prediction.assign(prediction.begin(), prediction.end());
    }
    return r;
  }

  bool allowed(tf::token_t token, bool may_draw) const {
    if (token == bos) return false;
    const auto markers = model_.config().modality_tokens();
    for (std::size_t m = 0; m < markers.size(); ++m) {
      if (token == markers[m].end) return false;
      if (token == markers[m].begin) return may_draw && options_.item(m).shape.size() > 0;
    }
    return true;
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
      if (!allowed(v, may_draw)) continue;
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

  /// The prediction for item x of a modality after document d (or alone).
  std::vector<double> predict(tf::document d, std::size_t modality, const std::vector<double>& x,
                              tf::noise_level level) {
    d.segments.emplace_back(tf::image{options_.item(modality).shape, std::vector<float>(x.begin(), x.end()),
                                      static_cast<tf::index_t>(modality)});
    const auto all = run(std::move(d), level, x).prediction;
    return {all.end() - static_cast<std::ptrdiff_t>(x.size()), all.end()};
  }

  static double deviation(const std::vector<double>& values) {
    double mean = 0, squares = 0;
    for (double v : values) mean += v / static_cast<double>(values.size());
    for (double v : values) squares += (v - mean) * (v - mean) / static_cast<double>(values.size());
    return std::sqrt(squares);
  }

  std::vector<double> guided(const tf::document& d, std::size_t modality, const std::vector<double>& x,
                             tf::noise_level level) {
    const auto whole = predict(d, modality, x, level);
    if (level.time < options_.guidance_low || level.time > options_.guidance_high) return whole;
    const auto none = predict({}, modality, x, level);
    std::vector<double> y(x.size());
    if (options_.image_guidance) {
      tf::document images_alone;
      for (std::size_t i = 0; i < d.segments.size(); ++i)
        if (std::holds_alternative<tf::image>(d.segments[i])) {
          images_alone.segments.push_back(d.segments[i]);
          images_alone.prefix_segments += static_cast<tf::index_t>(i) < d.prefix_segments;
        }
      const auto some = predict(images_alone, modality, x, level);
      for (std::size_t i = 0; i < x.size(); ++i)
        y[i] = none[i] + *options_.image_guidance * (some[i] - none[i]) + options_.guidance * (whole[i] - some[i]);
    } else {
      for (std::size_t i = 0; i < x.size(); ++i) y[i] = none[i] + options_.guidance * (whole[i] - none[i]);
    }
    const double phi = options_.guidance_rescale, back = deviation(whole) / deviation(y);
    for (double& v : y) v = phi * back * v + (1 - phi) * v;
    return y;
  }

  void hold(std::vector<double>& data, const tf::item_options& item) const {
    double most = item.data_high;
    if (options_.threshold_quantile > 0) {
      std::vector<double> sizes;
      for (double v : data) sizes.push_back(std::abs(v));
      std::sort(sizes.begin(), sizes.end());
      const double place = options_.threshold_quantile * static_cast<double>(sizes.size() - 1);
      const auto below = static_cast<std::size_t>(place);
      const auto above = std::min(below + 1, sizes.size() - 1);
      most = std::fmax(most, sizes[below] + (place - static_cast<double>(below)) * (sizes[above] - sizes[below]));
      for (double& v : data) v = std::fmin(std::fmax(v, -most), most) / most * item.data_high;
    }
    for (double& v : data) v = std::fmin(std::fmax(v, item.data_low), item.data_high);
  }

  template <std::size_t M>
  std::vector<float> draw(const tf::document& d, std::uint64_t seed, tf::index_t number, const tf::image_edit* edit) {
    using modality = typename Model::modalities::template at<M>;
    const tf::item_options item = options_.item(M);
    const auto size = static_cast<std::size_t>(item.shape.size());
    const auto normals = [&](std::uint32_t step, tf::stream purpose) {
      std::vector<double> z;
      double four[4];
      for (std::size_t i = 0; i < size; ++i) {
        if (i % 4 == 0) tf::normal_block({seed, step, purpose}, i / 4, four);
        z.push_back(four[i % 4]);
      }
      return z;
    };
    const std::vector<double> begin = normals(static_cast<std::uint32_t>(number), tf::stream::first_noise);
    const auto put = [&](std::vector<double>& x, const tf::noise_level& level, auto where) {
      for (std::size_t i = 0; edit && i < size; ++i)
        if (where(i)) x[i] = level.signal * static_cast<double>(edit->given.values[i]) + level.noise * begin[i];
      return edit && !edit->keep.empty();
    };
    const auto keep = [&](std::vector<double>& x, const tf::noise_level& level) {
      return put(x, level, [&](std::size_t i) { return edit->keeps(static_cast<tf::index_t>(i)); });
    };
    const auto& schedule = model_.template modality<M>().schedule;
    std::vector<double> times = tf::spaced_times(item.spacing, item.steps, schedule), x = begin;
    if (edit && edit->from_time < 1) {
      std::erase_if(times, [&](double t) { return t >= edit->from_time; });
      times.insert(times.begin(), edit->from_time);
      put(x, tf::level_at(schedule, edit->from_time), [](std::size_t) { return true; });
    }
    if (!edit || edit->from_time >= 1)
      for (double& v : x) v *= tf::level_at(schedule, times[0]).noise;
    keep(x, tf::level_at(schedule, times[0]));
    const auto data = [&](const std::vector<double>& at, const tf::noise_level& level) {
      const auto found = tf::recover_data(level, modality::target::of(level.signal, level.noise));
      auto y = guided(d, M, at, level);
      for (std::size_t i = 0; i < size; ++i) y[i] = found.on_x * at[i] + found.on_y * y[i];
      hold(y, item);
      return y;
    };
    const auto noise = [&](std::uint32_t draw) {
      return normals(static_cast<std::uint32_t>(number) << 16 | draw, tf::stream::solver_noise);
    };
    plain_run run(schedule, x, data, noise, keep);
    tf::solve(typename modality::solver{}, run, times);
    return {run.values().begin(), run.values().end()};
  }

  Model& model_;
  tf::generation_options options_;
};

/// All requests against the plain generator, each on its own. Returns the plain results.
template <class Model>
std::vector<tf::generated_document> check_against_plain(Model& model, const tf::generation_options& options,
                                                        const std::vector<tf::generation_request>& requests,
                                                        double tolerance_of_images) {
  const auto found = tf::generator(model, options)(requests);
  plain_generator plain(model, options);
  std::vector<tf::generated_document> all;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto expected = plain(requests[i]);
    BOOST_TEST_CONTEXT("request " << i) {
      BOOST_TEST(form(found[i].content) == form(expected.content));
      BOOST_TEST(words(found[i].content) == words(expected.content), boost::test_tools::per_element());
      BOOST_TEST((found[i].reason == expected.reason));
      BOOST_TEST(found[i].prompt_segments == expected.prompt_segments);
      BOOST_TEST(distance_of_images(found[i].content, expected.content) < tolerance_of_images);
    }
    all.push_back(expected);
  }
  return all;
}

}  // namespace generate_test
