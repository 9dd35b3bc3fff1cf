// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "transfusion/diffusion/solver/rehearsal.hpp"
#include "transfusion/generate/image_run.hpp"
#include "transfusion/generate/text_sampling.hpp"
#include "transfusion/sequence/caption_dropout.hpp"

namespace transfusion {

/// Generates text and items of every modality, many prompts at once: text mode → begin token → image mode of its
/// modality → end token → text mode. The prefix of an item is computed once for all its steps; guided and unguided rows
/// run in one batch. Items of codes are drawn like words, as many codes as the item has values, and text never has any.
template <class Model>
class generator {
 public:
  using exec = typename Model::exec_type;
  using real = typename Model::real;

  /// Throws config_error on an option outside its range, or where solver, schedule and target of a modality do not work
  /// together; shape_error on an item that the model cannot cut.
  generator(const Model& model, generation_options options)
      : model_(&model), options_(std::move(options)), tape_(model.exec(), recording::off) {
    require_valid(options_, Model::modality_count);
    Model::for_each_modality([&](auto m) {
      const item_options item = options_.item(m);
      if (!draws(m)) return;
      (void)model.grid(item.shape, static_cast<index_t>(m));
      if constexpr (discrete<m>) return;
      times_[m] = spaced_times(item.spacing, item.steps, model.template modality<m>().schedule);
      require_solvable<m>(times_[m]);
    });
  }

  /// Throws config_error or shape_error on a request that cannot be met, numeric_error where logits are no numbers.
  std::vector<generated_document> operator()(const std::vector<generation_request>& requests) {
    return (*this)(requests, nullptr);
  }

  /// The same, and `watch(request, step, values)` sees each item [C, Z, H, W] before its first step (0) and after every
  /// one; none of codes.
  template <class Watch>
  std::vector<generated_document> operator()(const std::vector<generation_request>& requests, Watch watch) {
    begin(requests);
    while (any(mode::text) || any(mode::image)) {
      while (any(mode::text)) text_step();
      while (any(mode::image)) draw_images(watch);
    }
    std::vector<generated_document> results;
    for (state& s : states_) results.push_back(std::move(s.result));
    return results;
  }

 private:
  using state = detail::growing_document;
  using mode = state::mode;
  /// Tokens that follow one another.
  struct token_range {
    token_t first;
    index_t count;
  };
  using modalities = typename Model::modalities;

  template <std::size_t M>
  static constexpr bool discrete = Model::template discrete<M>;

  bool draws(std::size_t modality) const { return options_.max_images > 0 && options_.item(modality).shape.size() > 0; }

  /// A target that says nothing of x̂0 at some level, or a solver that cannot step there, is found before any work.
  template <std::size_t M>
  void require_solvable(const std::vector<double>& times) const {
    using modality = typename modalities::template at<M>;
    detail::rehearse<typename modality::target>(typename modality::solver{}, model_->template modality<M>().schedule,
                                                times);
  }

  /// The times of an item that begins at a given one; at 1, as all without an edit, wherever its modality's begin.
  std::vector<double> times_from(index_t modality, double first) const {
    const std::vector<double>& all = times_[static_cast<std::size_t>(modality)];
    if (first == 1) return all;
    std::vector<double> times{first};
    std::copy_if(all.begin(), all.end(), std::back_inserter(times), [&](double t) { return t < first; });
    return times;
  }

  bool any(mode m) const {
    return std::any_of(states_.begin(), states_.end(), [&](const state& s) { return s.now == m; });
  }

  // --- prompts ------------------------------------------------------------------------------------------------------

  /// Gives every request its slots and runs all prompts in one pass.
  void begin(const std::vector<generation_request>& requests) {
    std::vector<packed_batch> prompts;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      require_possible(requests[i], i);
      prompts.push_back(packed_prompt(requests[i].prompt));
    }
    states_.assign(requests.size(), {});
    index_t slots = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      state& s = states_[i];
      s.result.content = requests[i].prompt;
      s.result.content.open_ended = true;
      s.result.prompt_segments = static_cast<index_t>(requests[i].prompt.segments.size());
      s.edit = requests[i].edit ? &*requests[i].edit : nullptr;
      s.seed = requests[i].seed;
      place(s, requests[i].prompt, prompts[i].rows(), slots);
      s.own().table = prompts[i].table;
    }
    const auto& c = model_->config();
    token_step_.forget();  // the cache moves
    cache_ = std::make_unique<kv_cache<exec>>(model_->exec(), c.layers, slots, c.kv_heads * (c.width / c.heads));
    run_prompts(requests, prompts);
  }

  void require_possible(const generation_request& r, std::size_t number) const {
    require<config_error>(!r.edit || r.begin_image, "request ", number, ": edit: found no begin_image, expected it");
    if (!r.begin_image) return;
    const index_t modality = r.begin_modality;
    require<config_error>(options_.max_images > 0, "request ", number,
                          ": begin_image: found max_images 0, expected > 0");
    require<config_error>(modality >= 0 && modality < static_cast<index_t>(Model::modality_count) &&
                              draws(static_cast<std::size_t>(modality)),
                          "request ", number, ": begin_modality: found ", modality,
                          ", expected a modality whose shape is among the options");
    if (!r.edit) return;
    require_valid(*r.edit);
    const image& given = r.edit->given;
    const image_shape drawn = options_.item(static_cast<std::size_t>(modality)).shape;
    require<shape_error>(given.modality == modality, "request ", number, ": edit: found an image of modality ",
                         given.modality, ", expected ", modality);
    require<shape_error>(given.shape == drawn, "request ", number, ": edit: found ", given.shape.channels, " x ",
                         given.shape.depth, " x ", given.shape.height, " x ", given.shape.width, " values, expected ",
                         drawn.channels, " x ", drawn.depth, " x ", drawn.height, " x ", drawn.width,
                         " (channels, depth, height, width)");
    Model::with_modality(modality, [&](auto m) {
      require<config_error>(!discrete<m>, "request ", number, ": edit: found items of codes, expected continuous ones");
      require_solvable<m>(times_from(modality, r.edit->from_time));
    });
  }

  /// Slots for the document and for the branches that guidance compares it with.
  void place(state& s, const document& prompt, index_t prompt_rows, index_t& slots) const {
    index_t rows = 0;  // of the largest item, with the tokens around it
    for (std::size_t m = 0; m < Model::modality_count; ++m)
      if (draws(m)) rows = std::max(rows, model_->image_rows(options_.item(m).shape, static_cast<index_t>(m)) + 2);
    const index_t items = options_.max_images * rows;
    const index_t capacity[] = {
        prompt_rows + options_.max_tokens + items, rows,
        options_.branches() > 2 && items > 0 ? model_->pack({as_read(without_text(prompt))}).rows() + items : 0};
    for (std::size_t b = 0; b < s.branches.size(); ++b) {
      s.branches[b].first_slot = slots;
      s.branches[b].capacity = capacity[b];
      slots += capacity[b];
    }
  }

  /// A document as generation reads it: to be continued, its images clean.
  static document as_read(document d) {
    d.open_ended = true;
    for (segment& s : d.segments)
      if (image* im = std::get_if<image>(&s)) im->context = true;
    return d;
  }

  /// A prompt must have a row to go on from: BOS, or the caller's own first token.
  packed_batch packed_prompt(const document& prompt) const {
    packed_batch packed = model_->pack({as_read(prompt)});
    require<config_error>(packed.rows() > 0,
                          "prompt: found nothing, expected a token or an image, as the model has no BOS");
    return packed;
  }

  void run_prompts(const std::vector<generation_request>& requests, const std::vector<packed_batch>& prompts) {
    tape_.reset();
    detail::cached_pass<Model> pass(*model_);
    std::vector<real> values;
    std::vector<token_t> last;
    for (std::size_t i = 0; i < prompts.size(); ++i)
      last.push_back(add_rows(pass, states_[i].own(), prompts[i], values));
    take_tokens(pass.run(tape_, *cache_, tape_.upload(values)), last, states_of(mode::text));
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (requests[i].begin_image)
        states_[i].begin_item(requests[i].begin_modality);
      else if (options_.max_tokens == 0)
        states_[i].now = mode::done;
    }
  }

  /// Puts all rows of a packed document into a pass, and its images behind the values. Returns its last token's number
  /// in the pass.
  static token_t add_rows(detail::cached_pass<Model>& pass, const detail::cached_sequence& s, const packed_batch& p,
                          std::vector<real>& values) {
    token_t last = ignored;
    for (index_t q = 0; q < p.rows();) {
      if (const span* where = p.table.span_of(q)) {
        pass.add_image(s, *where, p.images[static_cast<std::size_t>(where->image)].shape, Model::clean_level);
        q = where->end;
      } else {
        last = static_cast<token_t>(pass.add_token(s, q, p.tokens[static_cast<std::size_t>(q)]));
        ++q;
      }
    }
    values.insert(values.end(), p.values.begin(), p.values.end());
    return last;
  }

  // --- text mode ----------------------------------------------------------------------------------------------------

  /// Draws one token for every request in text mode and runs those that go on.
  void text_step() {
    detail::cached_pass<Model> pass(*model_);
    std::vector<token_t> rows;
    std::vector<state*> going;
    for (state* s : states_of(mode::text)) {
      const token_t token = s->next;
      require<numeric_error>(token != ignored, "request ", s - states_.data(),
                             ": found a logit that is no number, or none above -inf, expected a distribution");
      if (token == model_->config().markers.eos) {
        s->finish(finish_reason::end_token);
      } else if (const index_t modality = begun_by(token); modality >= 0) {
        s->begin_item(modality);
      } else {
        s->append_token(token);
        const index_t row = pass.add_token(s->own(), s->own().table.rows() - 1, token);
        if (s->tokens == options_.max_tokens) {
          s->finish(finish_reason::token_limit);
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

  /// The modality that a token asks for an item of; -1: none.
  index_t begun_by(token_t token) const {
    const auto tokens = model_->config().modality_tokens();
    const auto found = std::find_if(tokens.begin(), tokens.end(), [&](const auto& t) { return t.begin == token; });
    return found == tokens.end() ? -1 : found - tokens.begin();
  }

  void take_tokens(const typename Model::outputs& out, const std::vector<token_t>& rows,
                   const std::vector<state*>& states) {
    if (!rows.empty()) draw_tokens(logits_of(out, rows), states);
  }
  view<const real, 2> logits_of(const typename Model::outputs& out, const std::vector<token_t>& rows) {
    return logits_of(out, rows, {0, model_->config().text_vocabulary()});
  }
  view<const real, 2> logits_of(const typename Model::outputs& out, const std::vector<token_t>& rows,
                                token_range tokens) {
    const auto hidden = tape_.saved(static_cast<index_t>(rows.size()), model_->config().width);
    model_->exec().gather_rows(hidden, out.hidden.value(), tape_.upload(rows));
    return model_->logits(tape_, hidden, tokens.first, tokens.count);
  }
  /// Draws the next token of each state.
  void draw_tokens(view<const real, 2> logits, const std::vector<state*>& states) {
    std::vector<real> u;
    std::vector<token_t> never;
    for (const state* s : states) {
      const random_key key{s->seed, 0, stream::text_sampling};
      u.push_back(static_cast<real>(key.uniform(static_cast<std::uint64_t>(s->tokens + s->images))));
      add_forbidden(*s, never);
    }
    const auto drawn = sample(logits, options_.text, u, never);
    for (std::size_t i = 0; i < states.size(); ++i) states[i]->next = drawn[i];
  }
  /// A column of each row of logits, drawn on the device: one number each comes back. `never` has as many columns for
  /// each row.
  std::vector<token_t> sample(view<const real, 2> logits, const text_sampling& how, const std::vector<real>& u,
                              const std::vector<token_t>& never) {
    const index_t count = logits.rows();
    const auto tokens = tape_.saved_tokens(count);
    const view<const token_t, 2> forbidden(tape_.upload(never).data, count, static_cast<index_t>(never.size()) / count);
    model_->exec().sample_tokens(tokens, logits, how, tape_.upload(u), forbidden);
    std::vector<token_t> drawn(u.size());
    model_->exec().download(drawn.data(), tokens.data, drawn.size() * sizeof(token_t));
    return drawn;
  }
  /// BOS and end tokens are never targets in training; what no item can follow is not asked for.
  void add_forbidden(const state& s, std::vector<token_t>& never) const {
    const marker_tokens& markers = model_->config().markers;
    never.push_back(markers.bos != markers.eos ? markers.bos : ignored);
    const auto tokens = model_->config().modality_tokens();
    for (std::size_t m = 0; m < tokens.size(); ++m) {
      never.push_back(tokens[m].end);
      never.push_back(s.images < options_.max_images && draws(m) ? ignored : tokens[m].begin);
    }
  }

  // --- image mode ---------------------------------------------------------------------------------------------------

  /// Draws one item for every request that waits for the same modality from the same time on, all together.
  template <class Watch>
  void draw_images(Watch& watch) {
    std::vector<state*> drawing = states_of(mode::image);
    const index_t modality = drawing[0]->modality;
    const double first = drawing[0]->from_time();
    std::erase_if(drawing, [&](state* s) { return s->modality != modality || s->from_time() != first; });
    Model::with_modality(modality, [&](auto m) {
      if constexpr (discrete<m>)
        draw_codes<m>(drawing);
      else
        draw<m>(drawing, times_from(modality, first), watch);
    });
  }

  template <std::size_t M, class Watch>
  void draw(const std::vector<state*>& drawing, const std::vector<double>& times, Watch& watch) {
    open_images<M>(drawing);
    const auto arrived = [&](view<const real, 1> values, index_t step) {
      if constexpr (!std::is_same_v<Watch, std::nullptr_t>)  // without a watcher nothing waits for the device
        for (std::size_t i = 0; i < drawing.size(); ++i)
          watch(static_cast<index_t>(drawing[i] - states_.data()), step, host_copy(values, i, drawing.size()));
    };
    detail::image_run<Model, M, decltype(arrived)> run(*model_, tape_, *cache_, options_, drawing, arrived);
    run.begin(run.level(times.front()));
    solve(typename modalities::template at<M>::solver{}, run, times);
    std::vector<std::vector<float>> drawn;
    for (std::size_t i = 0; i < drawing.size(); ++i) {
      const std::vector<real> own = host_copy(run.values(), i, drawing.size());
      drawn.emplace_back(own.begin(), own.end());
    }
    close_images<M>(drawing, drawn);
  }

  /// Draws the codes of one item for each document, one code of all in every pass.
  template <std::size_t M>
  void draw_codes(const std::vector<state*>& drawing) {
    const modality_markers tokens = model_->config().modality_tokens()[M];
    const token_range range{tokens.first_code, tokens.codes};
    const auto count = static_cast<std::size_t>(model_->grid(options_.item(M).shape, M).patches());
    std::vector<std::vector<float>> drawn(drawing.size());
    repeated<exec> code_step;
    opened begun = open_images<M>(drawing);
    view<const real, 2> logits = logits_of(begun.out, begun.last_rows, range);
    for (std::size_t n = 0; n < count; ++n) {
      const auto codes = next_codes(drawing, logits, static_cast<std::uint64_t>(n));
      for (std::size_t i = 0; i < drawing.size(); ++i) drawn[i].push_back(static_cast<float>(codes[i]));
      if (n + 1 == count) break;
      detail::cached_pass<Model> pass(*model_);
      std::vector<token_t> rows;
      for_each_branch(drawing, [&](std::size_t i, detail::cached_sequence& s, index_t) {
        s.table.append_text();
        rows.push_back(static_cast<token_t>(pass.add_token(s, s.table.rows() - 1, tokens.first_code + codes[i])));
      });
      tape_.reset();
      code_step(model_->exec(), [&] { logits = logits_of(pass.run(tape_, *cache_, {}), rows, range); });
    }
    close_images<M>(drawing, drawn);
  }
  /// Code n of each item. logits: [branches · items, codes].
  std::vector<token_t> next_codes(const std::vector<state*>& drawing, view<const real, 2> logits, std::uint64_t n) {
    const auto items = static_cast<index_t>(drawing.size());
    if (options_.branches() > 1) logits = guided(logits, items);
    std::vector<real> u;
    for (const state* s : drawing) {
      const random_key key{s->seed, static_cast<std::uint32_t>(s->images), stream::code_sampling};
      u.push_back(static_cast<real>(key.uniform(n)));
    }
    const auto codes = sample(logits, options_.codes, u, std::vector<token_t>(drawing.size(), ignored));
    for (std::size_t i = 0; i < codes.size(); ++i)
      require<numeric_error>(
          codes[i] != ignored, "request ", drawing[i] - states_.data(),
          ": found a logit of a code that is no number, or none above -inf, expected a distribution");
    return codes;
  }
  view<const real, 2> guided(view<const real, 2> logits, index_t items) {
    const auto y = tape_.saved_real(items, logits.cols());
    const auto places = tape_.upload(std::vector<image_place>{{0, 0, {1, items, logits.cols()}}});
    detail::guide(y.flat(), logits.flat(), options_, options_.branches(),
                  [&](view<real, 1> out, double a, view<const real, 1> u, double b, view<const real, 1> v) {
                    const auto factors = tape_.upload(std::vector<real>{static_cast<real>(a), static_cast<real>(b)});
                    model_->exec().mix(out, u, v, {factors.data, 1, 2}, places);
                  });
    return y;
  }

  /// f(i, sequence, branch) of every branch of document i: all documents of one branch, then those of the next.
  template <class F>
  void for_each_branch(const std::vector<state*>& drawing, F f) const {
    for (index_t b = 0; b < options_.branches(); ++b)
      for (std::size_t i = 0; i < drawing.size(); ++i) f(i, drawing[i]->branches[static_cast<std::size_t>(b)], b);
  }

  /// A pass up to the begin tokens of some items, and where these stand in it, branch by branch.
  struct opened {
    typename Model::outputs out;
    std::vector<token_t> last_rows;
  };

  /// Runs what stands before the items and is not in the cache yet: the begin token, and the other branches whole.
  template <std::size_t M>
  opened open_images(const std::vector<state*>& drawing) {
    tape_.reset();
    detail::cached_pass<Model> pass(*model_);
    std::vector<real> values;
    std::vector<token_t> rows;
    for_each_branch(drawing, [&](std::size_t i, detail::cached_sequence& s, index_t branch) {
      if (branch > 0) {
        const document& whole = drawing[i]->result.content;
        const packed_batch before = model_->pack({as_read(branch == 1 ? document{} : without_text(whole))});
        s.table = before.table;
        add_rows(pass, s, before, values);
      }
      s.table.append_text();
      rows.push_back(
          static_cast<token_t>(pass.add_token(s, s.table.rows() - 1, model_->config().modality_tokens()[M].begin)));
      if (!discrete<M>) append_span(s, M);
    });
    return {pass.run(tape_, *cache_, tape_.upload(values)), std::move(rows)};
  }
  void append_span(detail::cached_sequence& s, std::size_t modality) const {
    const patch_grid grid = model_->grid(options_.item(modality).shape, static_cast<index_t>(modality));
    s.table.append_span({.image = static_cast<index_t>(s.table.spans().size()),  // those of the prompt come before
                         .rows = grid.rows,
                         .cols = grid.cols,
                         .planes = grid.planes,
                         .modality = static_cast<index_t>(modality),
                         .lead_rows = model_->rules().lead_rows});
  }

  /// Keeps the items, and for those who go on in text mode puts the clean item and its end token into the cache.
  template <std::size_t M>
  void close_images(const std::vector<state*>& drawing, const std::vector<std::vector<float>>& drawn) {
    tape_.reset();
    detail::cached_pass<Model> pass(*model_);
    const image_shape shape = options_.item(M).shape;
    const modality_markers tokens = model_->config().modality_tokens()[M];
    std::vector<real> values;
    std::vector<token_t> rows;
    std::vector<state*> going;
    for (std::size_t i = 0; i < drawing.size(); ++i) {
      state* s = drawing[i];
      s->append_item({shape, drawn[i], static_cast<index_t>(M)});
      if (s->tokens >= options_.max_tokens) {
        s->finish(s->images == options_.max_images ? finish_reason::image_limit : finish_reason::token_limit);
        continue;
      }
      s->now = mode::text;
      detail::cached_sequence& own = s->own();
      if constexpr (discrete<M>) {  // the last code is not in the cache yet
        own.table.append_text();
        pass.add_token(own, own.table.rows() - 1, tokens.first_code + static_cast<token_t>(drawn[i].back()));
      } else {
        values.insert(values.end(), drawn[i].begin(), drawn[i].end());
        pass.add_image(own, own.table.spans().back(), shape, Model::clean_level);
      }
      own.table.append_text();
      rows.push_back(static_cast<token_t>(pass.add_token(own, own.table.rows() - 1, tokens.end)));
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
  /// Part i of `parts` equal ones.
  std::vector<real> host_copy(view<const real, 1> device, std::size_t i, std::size_t parts) const {
    std::vector<real> host(static_cast<std::size_t>(device.size()) / parts);
    model_->exec().download(host.data(), device.data + i * host.size(), host.size() * sizeof(real));
    return host;
  }

  const Model* model_;
  generation_options options_;
  tape<exec> tape_;
  std::array<std::vector<double>, Model::modality_count> times_;
  std::vector<state> states_;
  std::unique_ptr<kv_cache<exec>> cache_;
  repeated<exec> token_step_;
};

}  // namespace transfusion
