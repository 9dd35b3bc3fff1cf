// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "transfusion/diffusion/spacing.hpp"
#include "transfusion/exec/repeat.hpp"
#include "transfusion/generate/cached_pass.hpp"
#include "transfusion/generate/text_sampling.hpp"
#include "transfusion/sequence/caption_dropout.hpp"

namespace transfusion {

/// What to generate from one prompt.
struct generation_request {
  document prompt;           ///< text and images so far; images are read clean
  bool begin_image = false;  ///< go into image mode at once, as if the model had asked for an image
  std::uint64_t seed = 0;    ///< of this request alone: its result does not depend on its neighbours
};

/// How to generate (paper §3 "Inference", §4.1).
struct generation_options {
  text_sampling text{};
  index_t max_tokens = 64;  ///< text tokens to add to each prompt; 0: images only
  index_t max_images = 1;   ///< images to add to each prompt; BOI cannot be drawn any more after that
  image_shape image{};      ///< the size of a generated image
  int image_steps = 250;    ///< solver steps, respaced over the 1000 of training
  double guidance = 3;  ///< classifier-free guidance: ε = ε_u + guidance · (ε_c - ε_u); 1: none, and no unguided rows
  /// x̂0 is held in [data_low, data_high] at each step: the first one would blow up otherwise. ±1 fits pixels; latents
  /// of unit variance want ±4 or so.
  double data_low = -1;
  double data_high = 1;
};

/// Why a document stopped growing.
enum class finish_reason { end_token, token_limit, image_limit };

/// A prompt with what the model added; open-ended unless the model ended it.
struct generated_document {
  document content;
  index_t prompt_segments = 0;  ///< how many leading segments are the prompt's
  finish_reason reason = finish_reason::token_limit;
};

/// Generates text and images, many prompts at once: text mode → BOI → image mode → EOI → text mode. The prefix of an
/// image is computed once for all its steps; guided and unguided rows run in one batch.
template <class Model>
class generator {
 public:
  using exec = typename Model::exec_type;
  using real = typename Model::real;

  /// Throws config_error on an option outside its range.
  generator(const Model& model, generation_options options)
      : model_(&model), options_(options), tape_(model.exec(), recording::off) {
    require_valid(options.text);
    require<config_error>(options.max_tokens >= 0, "max_tokens: found ", options.max_tokens, ", expected >= 0");
    require<config_error>(options.max_images >= 0, "max_images: found ", options.max_images, ", expected >= 0");
    require<config_error>(std::isfinite(options.guidance), "guidance: found ", options.guidance, ", expected a number");
    require<config_error>(options.data_low < options.data_high, "data_low: found ", options.data_low,
                          ", expected below ", options.data_high);
    times_ = respaced_times(options.image_steps);
    if (options.max_images == 0) return;
    require<config_error>(options.image.size() > 0, "image: found ", options.image.height, " x ", options.image.width,
                          ", expected the size of a generated image, or max_images = 0");
    (void)model.grid(options.image);
    require_solvable();
  }

  std::vector<generated_document> operator()(const std::vector<generation_request>& requests) {
    return (*this)(requests, nullptr);
  }

  /// The same, and `watch(request, step, values)` sees each image [C, H, W] before its first step (0) and after every
  /// one.
  template <class Watch>
  std::vector<generated_document> operator()(const std::vector<generation_request>& requests, Watch watch) {
    begin(requests);
    while (true) {
      while (any(mode::text)) text_step();
      if (!any(mode::image)) break;
      draw_images(watch);
    }
    std::vector<generated_document> results;
    for (state& s : states_) results.push_back(std::move(s.result));
    return results;
  }

 private:
  enum class mode { text, image, done };

  struct state {
    generated_document result;
    detail::cached_sequence guided, unguided;
    std::uint64_t seed = 0;
    mode now = mode::text;
    index_t tokens = 0, images = 0;
    token_t next = ignored;  ///< what its logits gave; `ignored` where they gave nothing
  };

  /// A target that says nothing of x̂0 at some level, or a solver that cannot step there, is found before any work.
  void require_solvable() const {
    for (std::size_t k = 0; k + 1 < times_.size(); ++k) {
      const noise_level now = level_at(model_->schedule(), times_[k]);
      recover_data(now, Model::variant_type::target::of(now.signal, now.noise));
      solver_.step(now, level_at(model_->schedule(), times_[k + 1]));
    }
  }

  bool any(mode m) const {
    return std::any_of(states_.begin(), states_.end(), [&](const state& s) { return s.now == m; });
  }

  // --- prompts ------------------------------------------------------------------------------------------------------

  /// Gives every request its slots and runs all prompts in one pass.
  void begin(const std::vector<generation_request>& requests) {
    states_.assign(requests.size(), {});
    std::vector<packed_batch> prompts;
    index_t slots = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      prompts.push_back(packed_prompt(requests[i].prompt));
      state& s = states_[i];
      s.result.content = requests[i].prompt;
      s.result.content.open_ended = true;
      s.result.prompt_segments = static_cast<index_t>(requests[i].prompt.segments.size());
      s.seed = requests[i].seed;
      require<config_error>(!requests[i].begin_image || options_.max_images > 0, "request ", i,
                            ": begin_image: found max_images 0, expected > 0");
      const index_t image_rows = options_.max_images > 0 ? model_->grid(options_.image).patches() + 2 : 0;
      place(s.guided, prompts.back().rows() + options_.max_tokens + options_.max_images * image_rows, slots);
      place(s.unguided, image_rows, slots);
      s.guided.table = prompts.back().table;
    }
    const auto& c = model_->config();
    token_step_.forget();  // the cache moves
    cache_ = std::make_unique<kv_cache<exec>>(model_->exec(), c.layers, slots, c.kv_heads * (c.width / c.heads));
    run_prompts(requests, prompts);
  }

  static void place(detail::cached_sequence& s, index_t capacity, index_t& slots) {
    s.first_slot = slots;
    s.capacity = capacity;
    slots += capacity;
  }

  /// A prompt must have a row to go on from: BOS, or the caller's own first token.
  packed_batch packed_prompt(document prompt) const {
    prompt.open_ended = true;
    packed_batch packed = model_->pack({prompt});
    require<config_error>(packed.rows() > 0,
                          "prompt: found nothing, expected a token or an image, as the model has no BOS");
    return packed;
  }

  void run_prompts(const std::vector<generation_request>& requests, const std::vector<packed_batch>& prompts) {
    tape_.reset();
    detail::cached_pass<Model> pass(*model_);
    std::vector<real> values;
    std::vector<token_t> last;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const packed_batch& p = prompts[i];
      state& s = states_[i];
      for (index_t q = 0; q < p.rows();) {
        if (const span* where = p.table.span_of(q)) {
          pass.add_image(s.guided, *where, p.images[static_cast<std::size_t>(where->image)].shape, Model::clean_level);
          q = where->end;
        } else {
          last.resize(i + 1);
          last[i] = static_cast<token_t>(pass.add_token(s.guided, q, p.tokens[static_cast<std::size_t>(q)]));
          ++q;
        }
      }
      values.insert(values.end(), p.values.begin(), p.values.end());
    }
    const auto out = pass.run(tape_, *cache_, tape_.upload(values));
    take_tokens(out, last, states_of(mode::text));
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (requests[i].begin_image)
        states_[i].now = mode::image;
      else if (options_.max_tokens == 0)
        states_[i].now = mode::done;
    }
  }

  // --- text mode ----------------------------------------------------------------------------------------------------

  /// Draws one token for every request in text mode and runs those that go on.
  void text_step() {
    detail::cached_pass<Model> pass(*model_);
    std::vector<token_t> rows;
    std::vector<state*> going;
    const marker_tokens& markers = model_->config().markers;
    for (state* s : states_of(mode::text)) {
      const token_t token = s->next;
      require<numeric_error>(token != ignored, "request ", s - states_.data(),
                             ": found a logit that is no number, or none above -inf, expected a distribution");
      if (token == markers.eos) {
        finish(*s, finish_reason::end_token);
      } else if (token == markers.boi) {
        s->now = mode::image;
      } else {
        append_text(s->result, token);
        s->guided.table.append_text();
        const index_t row = pass.add_token(s->guided, s->guided.table.rows() - 1, token);
        if (++s->tokens == options_.max_tokens) {
          finish(*s, finish_reason::token_limit);
        } else {
          rows.push_back(static_cast<token_t>(row));
          going.push_back(s);
        }
      }
    }
    if (going.empty()) return;
    tape_.reset();
    view<const real, 2> logits;
    token_step_(model_->exec(), [&] { logits = logits_of(pass.run(tape_, *cache_, {}), rows); });
    draw_tokens(logits, going);
  }

  /// The prompt's last segment stays as it is, even where the text goes on.
  static void append_text(generated_document& d, token_t token) {
    auto& segments = d.content.segments;
    const bool begins = static_cast<index_t>(segments.size()) == d.prompt_segments;
    if (begins || !std::holds_alternative<text>(segments.back())) segments.emplace_back(text{});
    std::get<text>(segments.back()).tokens.push_back(token);
  }

  void take_tokens(const typename Model::outputs& out, const std::vector<token_t>& rows,
                   const std::vector<state*>& states) {
    if (!rows.empty()) draw_tokens(logits_of(out, rows), states);
  }
  view<const real, 2> logits_of(const typename Model::outputs& out, const std::vector<token_t>& rows) {
    const auto hidden = tape_.saved(static_cast<index_t>(rows.size()), model_->config().width);
    model_->exec().gather_rows(hidden, out.hidden.value(), tape_.upload(rows));
    return model_->logits(tape_, hidden);
  }
  /// Draws the next token of each state, on the device: one number each comes back.
  void draw_tokens(view<const real, 2> logits, const std::vector<state*>& states) {
    const marker_tokens& markers = model_->config().markers;
    std::vector<real> u;
    std::vector<token_t> never, drawn(states.size());
    for (const state* s : states) {
      const random_key key{s->seed, 0, stream::text_sampling};
      u.push_back(static_cast<real>(key.uniform(static_cast<std::uint64_t>(s->tokens + s->images))));
      never.push_back(markers.bos != markers.eos ? markers.bos : ignored);  // never a target in training
      never.push_back(markers.eoi);
      never.push_back(s->images >= options_.max_images ? markers.boi : ignored);
    }
    const auto count = static_cast<index_t>(states.size());
    const auto tokens = tape_.saved_tokens(count);
    model_->exec().sample_tokens(tokens, logits, options_.text, tape_.upload(u), {tape_.upload(never).data, count, 3});
    model_->exec().download(drawn.data(), tokens.data, drawn.size() * sizeof(token_t));
    for (std::size_t i = 0; i < states.size(); ++i) states[i]->next = drawn[i];
  }

  // --- image mode ---------------------------------------------------------------------------------------------------

  /// Draws one image for every request in image mode, all together.
  template <class Watch>
  void draw_images(Watch& watch) {
    const std::vector<state*> drawing = states_of(mode::image);
    const index_t size = options_.image.size(), count = static_cast<index_t>(drawing.size());
    const bool guides = options_.guidance != 1;
    for (state* s : drawing) open_image(*s, guides);
    run_prefixes(drawing, guides);

    const index_t copies = guides ? 2 : 1;  // the guided images, then the same images for the unguided rows
    buffer<exec, real> x(model_->exec(), copies * count * size);
    image_step_.forget();  // x has moved
    const auto image_of = [&](index_t i) { return x.all().slice(i * size, (i + 1) * size); };
    for (index_t i = 0; i < count; ++i) {
      const state& s = *drawing[static_cast<std::size_t>(i)];
      model_->exec().normal(image_of(i), {s.seed, static_cast<std::uint32_t>(s.images), stream::first_noise}, 1.0, 0);
    }
    for (std::size_t k = 0; k + 1 < times_.size(); ++k) {
      show(watch, drawing, x.all(), static_cast<index_t>(k));
      denoise(drawing, guides, x.all(), k);
    }
    show(watch, drawing, x.all(), static_cast<index_t>(times_.size()) - 1);
    close_images(drawing, x.all());
  }

  /// BOI and the patches' rows, in the request's own document and in the unguided one.
  void open_image(state& s, bool guides) const {
    const patch_grid grid = model_->grid(options_.image);
    s.guided.table.append_text();
    const auto number = static_cast<index_t>(s.guided.table.spans().size());  // the prompt's images come before
    s.guided.table.append_span(grid.rows, grid.cols, number, false);
    if (!guides) return;
    s.unguided.table = {};
    s.unguided.table.begin_document();
    s.unguided.table.append_text(unguided_rows());
    s.unguided.table.append_span(grid.rows, grid.cols, 0, false);
  }
  index_t unguided_rows() const { return model_->config().markers.bos == ignored ? 1 : 2; }

  /// Runs what stands before the patches and is not in the cache yet: BOI, and the unguided BOS BOI.
  void run_prefixes(const std::vector<state*>& drawing, bool guides) {
    tape_.reset();
    detail::cached_pass<Model> pass(*model_);
    const marker_tokens& markers = model_->config().markers;
    for (state* s : drawing) {
      pass.add_token(s->guided, s->guided.table.spans().back().begin - 1, markers.boi);
      if (!guides) continue;
      if (markers.bos != ignored) pass.add_token(s->unguided, 0, markers.bos);
      pass.add_token(s->unguided, unguided_rows() - 1, markers.boi);
    }
    pass.run(tape_, *cache_, {});
  }

  /// x at level k becomes x at level k + 1. Only the images' own rows run.
  void denoise(const std::vector<state*>& drawing, bool guides, view<real, 1> x, std::size_t k) {
    exec& e = model_->exec();
    const noise_level now = level_at(model_->schedule(), times_[k]), next = level_at(model_->schedule(), times_[k + 1]);
    const index_t count = static_cast<index_t>(drawing.size()), half = count * options_.image.size();
    tape_.reset();
    detail::cached_pass<Model> pass(*model_);
    for (state* s : drawing) pass.add_image(s->guided, s->guided.table.spans().back(), options_.image, now);
    if (guides)
      for (state* s : drawing) pass.add_image(s->unguided, s->unguided.table.spans().back(), options_.image, now);
    const recovery data = recover_data(now, Model::variant_type::target::of(now.signal, now.noise));
    const solver_step step = solver_.step(now, next);
    const auto image = x.slice(0, half);
    image_step_(e, [&] {
      if (guides) e.copy(x.slice(half, 2 * half), x.slice(0, half));
      const auto predicted = pass.run(tape_, *cache_, x).prediction.value().flat();
      const auto prediction = tape_.saved_real(predicted.size());
      e.widen(prediction, predicted);
      const auto places = tape_.upload(pass.places()).slice(0, count);
      const auto both = [&](double a, double b) { return coefficients_of(count, a, b); };
      const auto guided = prediction.slice(0, half);
      if (guides)
        e.mix(guided, guided, prediction.slice(half, 2 * half), both(options_.guidance, 1 - options_.guidance), places);
      e.mix(guided, image, guided, both(data.on_x, data.on_y), places);  // the prediction becomes x̂0
      e.clamp(guided, options_.data_low, options_.data_high);
      e.mix(image, image, guided, both(step.on_x, step.on_data), places);
    });
    if (step.fresh_noise == 0) return;
    const auto noise = tape_.saved_real(half);
    for (index_t i = 0; i < count; ++i) {
      const state& s = *drawing[static_cast<std::size_t>(i)];
      const auto draw = static_cast<std::uint32_t>(s.images) << 16 | static_cast<std::uint32_t>(k);
      e.normal(noise.slice(i * options_.image.size(), (i + 1) * options_.image.size()),
               {s.seed, draw, stream::solver_noise}, 1.0, 0);
    }
    e.mix(image, image, noise, coefficients_of(count, 1, step.fresh_noise),
          tape_.upload(pass.places()).slice(0, count));
  }

  view<const real, 2> coefficients_of(index_t count, double a, double b) {
    std::vector<real> c;
    for (index_t i = 0; i < count; ++i) c.insert(c.end(), {static_cast<real>(a), static_cast<real>(b)});
    return {tape_.upload(c).data, count, 2};
  }

  /// Keeps the images, and for those who go on in text mode puts the clean image and EOI into the cache.
  void close_images(const std::vector<state*>& drawing, view<real, 1> x) {
    tape_.reset();
    detail::cached_pass<Model> pass(*model_);
    std::vector<real> values;
    std::vector<token_t> rows;
    std::vector<state*> going;
    index_t i = 0;
    for (state* s : drawing) {
      const std::vector<real> drawn = host_copy(x.slice(i * options_.image.size(), (i + 1) * options_.image.size()));
      ++i;
      s->result.content.segments.emplace_back(image{options_.image, {drawn.begin(), drawn.end()}});
      ++s->images;
      if (s->tokens >= options_.max_tokens) {
        finish(*s, s->images == options_.max_images ? finish_reason::image_limit : finish_reason::token_limit);
        continue;
      }
      s->now = mode::text;
      values.insert(values.end(), drawn.begin(), drawn.end());
      pass.add_image(s->guided, s->guided.table.spans().back(), options_.image, Model::clean_level);
      s->guided.table.append_text();
      rows.push_back(
          static_cast<token_t>(pass.add_token(s->guided, s->guided.table.rows() - 1, model_->config().markers.eoi)));
      going.push_back(s);
    }
    if (!going.empty()) take_tokens(pass.run(tape_, *cache_, tape_.upload(values)), rows, going);
  }

  // --- shared -------------------------------------------------------------------------------------------------------

  std::vector<state*> states_of(mode m) {
    std::vector<state*> found;
    for (state& s : states_)
      if (s.now == m) found.push_back(&s);
    return found;
  }
  static void finish(state& s, finish_reason reason) {
    s.now = mode::done;
    s.result.reason = reason;
    s.result.content.open_ended = reason != finish_reason::end_token;
  }
  std::vector<real> host_copy(view<const real, 1> device) const {
    std::vector<real> host(static_cast<std::size_t>(device.size()));
    model_->exec().download(host.data(), device.data, host.size() * sizeof(real));
    return host;
  }
  template <class Watch>
  void show(Watch& watch, const std::vector<state*>& drawing, view<real, 1> x, index_t step) const {
    if constexpr (!std::is_same_v<Watch, std::nullptr_t>)  // without a watcher nothing waits for the device
      for (std::size_t i = 0; i < drawing.size(); ++i) {
        const index_t begin = static_cast<index_t>(i) * options_.image.size();
        watch(static_cast<index_t>(drawing[i] - states_.data()), step,
              host_copy(x.slice(begin, begin + options_.image.size())));
      }
  }

  const Model* model_;
  generation_options options_;
  tape<exec> tape_;
  std::vector<double> times_;
  std::vector<state> states_;
  std::unique_ptr<kv_cache<exec>> cache_;
  repeated<exec> token_step_, image_step_;
  [[no_unique_address]] typename Model::variant_type::solver solver_;
};

}  // namespace transfusion
