// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "transfusion/exec/repeat.hpp"
#include "transfusion/generate/given_images.hpp"
#include "transfusion/generate/growing_document.hpp"
#include "transfusion/generate/guidance.hpp"
#include "transfusion/generate/options.hpp"

namespace transfusion::detail {

/// A solver's run on the device: one item of modality `M` for each of some documents, which stand in the cache up to
/// their last span. `Arrived` is called with all values and the number of the step: 0 before the first one.
template <class Model, std::size_t M, class Arrived>
class image_run final : public solver_run {
 public:
  using exec = typename Model::exec_type;
  using real = typename Model::real;
  using target = typename Model::modalities::template at<M>::target;

  image_run(const Model& model, tape<exec>& tape, const kv_cache<exec>& cache, const generation_options& options,
            const std::vector<growing_document*>& drawing, Arrived arrived)
      : model_(&model),
        exec_(&model.exec()),
        tape_(&tape),
        cache_(&cache),
        options_(&options),
        item_(options.item(M)),
        drawing_(&drawing),
        arrived_(arrived),
        places_(*exec_, count()) {
    std::vector<image_place> places;
    for (index_t i = 0; i < count(); ++i) places.push_back({i * size(), 0, item_.shape});
    exec_->upload(places_.all().data, places.data(), places.size() * sizeof(image_place));
    make();
  }

  /// The values at the first of the times.
  void begin(const noise_level& first) {
    normals(values(), [](const growing_document& d) {
      return random_key{d.seed, static_cast<std::uint32_t>(d.images), stream::first_noise};
    });
    std::vector<const image_edit*> edits;
    for (const growing_document* d : *drawing_) edits.push_back(d->edit);
    edited_ = std::any_of(edits.begin(), edits.end(), [](const image_edit* e) { return e != nullptr; });
    if (edited_) given_ = {*exec_, edits, size(), values()};
    if (static_cast<real>(first.noise) != real{1}) mix(values(), first.noise, values(), 0, values());
    if (edited_) {
      if ((*drawing_)[0]->from_time() < 1) given_.put_all(values(), first);
      given_.put_kept(values(), first);
    }
    arrived_(values(), steps_);
  }
  /// [count, size]
  view<real, 1> values() const { return at(x); }

  field make() override {
    fields_.emplace_back(*exec_, count() * size());
    exec_->fill(fields_.back().all(), 0);
    return {static_cast<int>(fields_.size()) - 1};
  }

  noise_level level(double time) const override { return level_at(model_->template modality<M>().schedule, time); }

  /// Only the items' own rows run, those of all branches together.
  void predict(field data, field from, const noise_level& level) override {
    tape_->reset();
    const index_t branches = guides_at(level.time) ? options_->branches() : 1;
    cached_pass<Model> pass(*model_);
    for (index_t b = 0; b < branches; ++b)
      for (const growing_document* d : *drawing_) {
        const cached_sequence& s = d->branches[static_cast<std::size_t>(b)];
        pass.add_image(s, s.table.spans().back(), item_.shape, level);
      }
    const auto predicted = pass.run(*tape_, *cache_, copies_of(at(from), branches)).prediction.value().flat();
    const auto all = tape_->saved_real(predicted.size());
    exec_->widen(all, predicted);
    const auto prediction = branches > 1 ? guided(all, branches) : all;
    const recovery found = recover_data(level, target::of(level.signal, level.noise));
    mix(at(data), found.on_x, at(from), found.on_y, prediction);
    if (options_->threshold_quantile > 0)
      exec_->dynamic_threshold(at(data), places_.all(), options_->threshold_quantile, item_.data_high);
    else
      exec_->clamp(at(data), item_.data_low, item_.data_high);
  }

  void combine(field out, const std::vector<term>& terms) override {
    std::vector<term> sum;  // one term a field, `out` first: it is overwritten at once
    const auto add = [&](const term& t) {
      for (term& s : sum)
        if (s.of.number == t.of.number) {
          s.factor += t.factor;
          return;
        }
      sum.push_back(t);
    };
    for (const term& t : terms) add(t);
    const auto own = std::find_if(sum.begin(), sum.end(), [&](const term& t) { return t.of.number == out.number; });
    if (own != sum.end()) std::rotate(sum.begin(), own, own + 1);
    if (sum.empty()) return exec_->fill(at(out), 0);
    if (sum.size() == 1) return mix(at(out), sum[0].factor, at(sum[0].of), 0, at(sum[0].of));
    mix(at(out), sum[0].factor, at(sum[0].of), sum[1].factor, at(sum[1].of));
    for (std::size_t i = 2; i < sum.size(); ++i) mix(at(out), 1, at(out), sum[i].factor, at(sum[i].of));
  }

  void add_noise(double amount) override {
    const auto noise = tape_->saved_real(count() * size());
    normals(noise, [&](const growing_document& d) {
      return random_key{d.seed, static_cast<std::uint32_t>(d.images) << 16 | draws_, stream::solver_noise};
    });
    ++draws_;
    mix(values(), 1, values(), amount, noise);
  }

  double error(field e, field a, field b, double absolute, double relative) override {
    const auto each = tape_->saved_real(count());
    exec_->scaled_error(each, at(e), at(a), at(b), places_.all(), absolute, relative);
    std::vector<real> host(static_cast<std::size_t>(count()));
    exec_->download(host.data(), each.data, host.size() * sizeof(real));
    double most = 0;
    for (real v : host) {
      if (std::isnan(v)) return static_cast<double>(v);
      most = std::max(most, static_cast<double>(v));
    }
    return most;
  }

  bool reached(const noise_level& level) override {
    const bool changed = edited_ && given_.put_kept(values(), level);
    arrived_(values(), ++steps_);
    return changed;
  }

 private:
  /// Each place of a solver that repeats something has a graph of its own.
  void repeat_call(void (*call)(const void*), const void* f) override {
    auto found = std::find_if(graphs_.begin(), graphs_.end(), [&](const auto& g) { return g.first == call; });
    if (found == graphs_.end()) found = graphs_.insert(graphs_.end(), {call, {}});
    tape_->reset();  // before the recording: memory that grew is joined here
    found->second(*exec_, [&] { call(f); });
  }

  index_t count() const { return static_cast<index_t>(drawing_->size()); }
  index_t size() const { return item_.shape.size(); }
  view<real, 1> at(field f) const { return fields_[static_cast<std::size_t>(f.number)].all(); }
  bool guides_at(double time) const { return time >= options_->guidance_low && time <= options_->guidance_high; }

  template <class Key>
  void normals(view<real, 1> z, Key key) {
    for (index_t i = 0; i < count(); ++i)
      exec_->normal(z.slice(i * size(), (i + 1) * size()), key(*(*drawing_)[static_cast<std::size_t>(i)]), 1.0, 0);
  }

  view<const real, 1> copies_of(view<real, 1> values, index_t copies) {
    if (copies == 1) return values;
    const auto all = tape_->saved_real(copies * values.size());
    for (index_t i = 0; i < copies; ++i) exec_->copy(all.slice(i * values.size(), (i + 1) * values.size()), values);
    return all;
  }

  view<real, 1> guided(view<real, 1> all, index_t branches) {
    const auto y = tape_->saved_real(all.size() / branches);
    guide(y, view<const real, 1>(all), *options_, branches, [&](auto... terms) { mix(terms...); });
    if (options_->guidance_rescale > 0)
      exec_->match_deviation(y, all.slice(0, y.size()), places_.all(), options_->guidance_rescale);
    return y;
  }

  /// out = a·u + b·v
  void mix(view<real, 1> out, double a, view<const real, 1> u, double b, view<const real, 1> v) {
    std::vector<real> pairs;
    for (index_t i = 0; i < count(); ++i) pairs.insert(pairs.end(), {static_cast<real>(a), static_cast<real>(b)});
    exec_->mix(out, u, v, {tape_->upload(pairs).data, count(), 2}, places_.all());
  }

  const Model* model_;
  exec* exec_;
  tape<exec>* tape_;
  const kv_cache<exec>* cache_;
  const generation_options* options_;
  item_options item_;
  const std::vector<growing_document*>* drawing_;
  Arrived arrived_;
  buffer<exec, image_place> places_;
  std::vector<buffer<exec, real>> fields_;  ///< [count, size] each
  bool edited_ = false;
  given_images<exec> given_;
  index_t steps_ = 0;
  std::uint32_t draws_ = 0;
  std::vector<std::pair<void (*)(const void*), repeated<exec>>> graphs_;
};

}  // namespace transfusion::detail
