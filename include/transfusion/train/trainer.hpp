// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "transfusion/metric/flops.hpp"
#include "transfusion/model.hpp"
#include "transfusion/sequence/caption_dropout.hpp"
#include "transfusion/train/adamw.hpp"
#include "transfusion/train/checkpoint.hpp"
#include "transfusion/train/gathered.hpp"
#include "transfusion/train/progress.hpp"
#include "transfusion/train/training_log.hpp"
#include "transfusion/train/warmup_cosine.hpp"

namespace transfusion {

/// How a model is trained. Rates, decay and clip default to the paper's (§4.1).
struct train_options {
  index_t steps = 250000;
  double peak_rate = 3e-4;
  double last_rate = 1.5e-5;
  index_t warmup = 4000;
  adamw_options optimiser{};
  index_t micro_batches = 1;     ///< a step's documents are cut into this many passes (gradient accumulation)
  double caption_dropout = 0.1;  ///< share of caption-first documents that lose their captions, for guidance
  double text_dropout = 0;       ///< share of documents that keep their images alone, for generation's image_guidance
  std::uint64_t seed = 0;
  std::string log_path{};         ///< CSV, one line a step (docs/performance.md); empty: none
  std::string checkpoint_path{};  ///< safetensors; empty: none
  index_t checkpoint_every = 0;   ///< steps; 0: at the end only
  bool quiet = false;             ///< no progress bar
};

/// What one optimiser step did.
template <std::size_t Terms>
struct step_report {
  index_t step = 0;
  std::array<double, Terms> losses{};  ///< unweighted means, in the order of the variant's terms
  double total = 0;                    ///< weighted
  double gradient_norm = 0;            ///< before the clip
  double rate = 0;
  index_t tokens = 0;  ///< packed rows, text and patches
  index_t images = 0;  ///< learnt: noised, or codes
  double flops = 0;    ///< of the matrix products, forward and backward, with the mask's exact count of pairs
};

/// Trains a model: packs documents, accumulates gradients, clips, applies AdamW, averages, logs, saves.
/// All randomness is a pure function of (seed, step), so a resumed run repeats the uninterrupted one bit for bit.
template <class Model>
class trainer {
 public:
  using exec_type = typename Model::exec_type;
  using report = step_report<Model::loss_type::terms>;
  using real_view = view<const typename Model::real, 1>;

  /// The model must outlive the trainer. Throws config_error on an option outside its range.
  trainer(Model& model, train_options options)
      : model_(&model),
        options_(std::move(options)),
        optimiser_(model.exec(), model.parameters(), options_.optimiser),
        rate_{options_.peak_rate, options_.last_rate, options_.warmup, options_.steps},
        tape_(model.exec()),
        gathered_(model.exec()) {
    require<config_error>(options_.steps > 0, "steps: found ", options_.steps, ", expected > 0");
    require<config_error>(options_.micro_batches > 0, "micro_batches: found ", options_.micro_batches,
                          ", expected > 0");
    require<config_error>(options_.warmup >= 0 && options_.warmup <= options_.steps, "warmup: found ", options_.warmup,
                          ", expected 0 to steps = ", options_.steps);
    require<config_error>(options_.peak_rate >= 0, "peak_rate: found ", options_.peak_rate, ", expected >= 0");
    require<config_error>(options_.last_rate >= 0, "last_rate: found ", options_.last_rate, ", expected >= 0");
    require<config_error>(options_.caption_dropout >= 0 && options_.caption_dropout <= 1, "caption_dropout: found ",
                          options_.caption_dropout, ", expected 0 to 1");
    require<config_error>(options_.text_dropout >= 0 && options_.text_dropout <= 1, "text_dropout: found ",
                          options_.text_dropout, ", expected 0 to 1");
    require<config_error>(options_.checkpoint_every >= 0, "checkpoint_every: found ", options_.checkpoint_every,
                          ", expected >= 0");
  }

  /// Runs the steps that are left. `documents_of(step)` gives the documents of a step, as a pure function of its
  /// number; `observe(report)` hears of each step. Throws numeric_error, before any weight changes, when a loss or
  /// gradient is not finite.
  template <class Source, class Observer>
  void run(Source&& documents_of, Observer&& observe) {
    training_log log(options_.log_path, column_names(), next_step_);
    if (!options_.log_path.empty()) ask_for_rates();
    progress bar("train", options_.steps, next_step_, options_.quiet);
    index_t tokens = 0;
    double flops = 0;
    while (next_step_ < options_.steps) {
      const report r = step(documents_of(next_step_));
      observe(r);
      tokens += r.tokens;
      flops += r.flops;
      const double speed = static_cast<double>(tokens) / bar.seconds();
      log.write(r.step, columns(r, speed, flops / bar.seconds() / 1e9));
      if (bar.due() || next_step_ == options_.steps) bar.update(next_step_, details(r, speed));
      if (options_.checkpoint_every > 0 && next_step_ % options_.checkpoint_every == 0 && next_step_ < options_.steps)
        save();
    }
    save();
  }
  template <class Source>
  void run(Source&& documents_of) {
    run(documents_of, [](const report&) {});
  }

  /// One optimiser step on these documents. Waits for the policy once, between the gradients and the update.
  report step(std::vector<document> documents) {
    drop_text(documents, options_.text_dropout, {options_.seed, step_word(), stream::dropout});
    drop_captions(documents, options_.caption_dropout, {options_.seed, step_word(), stream::dropout});
    report r{.step = next_step_, .rate = rate_(next_step_)};
    step_share share;
    std::vector<packed_batch> batches = split(documents);
    for (const packed_batch& b : batches) {
      share.all.add(b);
      r.tokens += b.rows();
      r.images += b.noised_images() + b.code_images;
      r.flops += training_flops(*model_, b);
    }
    try {
      run_passes(batches, share);
    } catch (...) {
      model_->parameters().zero_gradients();  // of the passes before
      throw;
    }
    gathered_.add(optimiser_.measure_gradient());
    read_gathered(r);
    require_finite(r);
    optimiser_.step(next_step_, r.rate);
    ++next_step_;
    return r;
  }

  /// Writes weights, optimiser state, average and step, atomically. Does nothing without a checkpoint path.
  void save() const {
    if (!options_.checkpoint_path.empty())
      save_checkpoint(options_.checkpoint_path, *model_, optimiser_, {next_step_, options_.seed}, metadata_);
  }

  /// Goes on from a checkpoint. Throws format_error, with nothing changed, on a file that does not fit.
  void resume(const std::string& path) {
    const auto found = stored_training_state(safetensors_file(path));
    require<config_error>(found.seed == options_.seed, path, ": seed: found ", found.seed, ", expected ", options_.seed,
                          " (the seed given to this run)");
    next_step_ = load_checkpoint(path, *model_, optimiser_).next_step;
  }

  /// More lines for the checkpoint's metadata, such as the vocabulary.
  void set_metadata(std::map<std::string, std::string> metadata) { metadata_ = std::move(metadata); }

  /// What loss terms find as `context.teacher` from now on: teacher(batch, plan) gives another model's prediction for
  /// the batch's values, such as that of the averaged weights; its memory lives until the next call.
  void set_teacher(std::function<real_view(const packed_batch&, const noise_plan&)> teacher) {
    teacher_ = std::move(teacher);
  }

  index_t next_step() const { return next_step_; }
  const adamw<exec_type>& optimiser() const { return optimiser_; }
  const tape<exec_type>& step_tape() const { return tape_; }

 private:
  static constexpr std::size_t terms = Model::loss_type::terms;
  /// Whether the policy knows the most memory that it has held: a column of the log then.
  static constexpr bool counts_memory = requires(exec_type & e) { e.peak_bytes(); };
  /// Whether it knows the rate of its products: two columns for the shares of it then.
  static constexpr bool knows_rates = requires(exec_type & e) {
    e.nominal_matmul_rate();
    e.matmul_rate();
  };

  /// One item of a term's loss that waits to be read: the term, its part in the mean, whether its square counts.
  struct loss_item {
    std::size_t term;
    double share;
    bool squares;
  };

  std::uint32_t step_word() const { return static_cast<std::uint32_t>(next_step_); }

  std::vector<packed_batch> split(const std::vector<document>& documents) const {
    std::vector<packed_batch> batches;
    const std::size_t parts = static_cast<std::size_t>(options_.micro_batches);
    for (std::size_t i = 0; i < parts; ++i) {
      const auto begin = documents.begin() + static_cast<std::ptrdiff_t>(documents.size() * i / parts);
      const auto end = documents.begin() + static_cast<std::ptrdiff_t>(documents.size() * (i + 1) / parts);
      if (begin != end) batches.push_back(model_->pack({begin, end}));
    }
    require<config_error>(!batches.empty(), "step ", next_step_, ": found no documents, expected one at least");
    return batches;
  }

  /// Gradients and losses of all small batches.
  void run_passes(const std::vector<packed_batch>& batches, step_share& share) {
    gathered_.clear();
    items_.clear();
    for (const packed_batch& b : batches) {
      tape_.reset();
      plan_ = model_->plan_noise(b, {options_.seed, step_word(), stream::noise}, share, std::move(plan_));
      const auto losses = model_->loss(tape_, b, plan_, share, teacher_ ? teacher_(b, plan_) : real_view{});
      gather(losses);
      tape_.backward();
      share.pass(b);
    }
  }

  void gather(const typename Model::losses& losses) {
    for (std::size_t i = 0; i < terms; ++i) {
      const auto& term = losses.terms[i];
      gathered_.add(term.each);
      for (double share : term.shares) items_.push_back({i, share, term.squares});
    }
  }
  /// The losses' items, small batch by small batch, and last the squared norm of the gradient.
  void read_gathered(report& r) {
    const auto numbers = gathered_.read();
    auto item = numbers.begin();
    for (const loss_item& i : items_) {
      const double value = static_cast<double>(*item++);
      r.losses[i.term] += i.share * (i.squares ? value * value : value);
    }
    r.gradient_norm = std::sqrt(static_cast<double>(*item));
    for (std::size_t i = 0; i < terms; ++i) r.total += model_->config().loss_weights[i] * r.losses[i];
  }

  /// Throws numeric_error, with the gradients at zero again, so that a caller may go on with another step.
  void require_finite(const report& r) {
    std::string fault;
    for (std::size_t i = 0; fault.empty() && i < terms; ++i)
      if (!std::isfinite(r.losses[i]))
        fault = detail::message("the ", Model::loss_type::names[i], " loss is ", r.losses[i]);
    if (fault.empty() && !std::isfinite(r.gradient_norm))
      fault = detail::message("the gradient's norm is ", r.gradient_norm);
    if (fault.empty()) return;
    fault += culprit();
    model_->parameters().zero_gradients();
    throw numeric_error(detail::message("step ", r.step, ": ", fault));
  }
  /// Names the first tensor that is not finite: a weight where there is one, as it spoils every gradient.
  std::string culprit() {
    std::string weight, gradient;
    model_->parameters().each([&](parameter<exec_type> p) {
      if (weight.empty() && !all_finite(p.master())) weight = "; first in the weights of " + p.name();
      if (gradient.empty() && !all_finite(p.flat_gradient())) gradient = "; first in the gradient of " + p.name();
    });
    return weight.empty() ? gradient : weight;
  }
  bool all_finite(view<const typename Model::real, 1> device) const {
    std::vector<typename Model::real> host(static_cast<std::size_t>(device.size()));
    model_->exec().download(host.data(), device.data, host.size() * sizeof(typename Model::real));
    for (auto v : host)
      if (!std::isfinite(static_cast<double>(v))) return false;
    return true;
  }

  static std::vector<std::string> column_names() {
    std::vector<std::string> names;
    for (auto n : Model::loss_type::names) names.emplace_back(n);
    for (auto n : {"total", "gradient_norm", "rate", "tokens_per_second", "gflops"}) names.emplace_back(n);
    if constexpr (counts_memory) names.emplace_back("peak_bytes");
    if constexpr (knows_rates)
      for (auto n : {"mfu_nominal", "mfu_measured"}) names.emplace_back(n);
    return names;
  }
  std::vector<double> columns(const report& r, double speed, double gflops) const {
    std::vector<double> values(r.losses.begin(), r.losses.end());
    for (double v : std::initializer_list<double>{r.total, r.gradient_norm, r.rate, speed, gflops}) values.push_back(v);
    if constexpr (counts_memory) values.push_back(static_cast<double>(model_->exec().peak_bytes()));
    if constexpr (knows_rates)
      for (double rate : std::initializer_list<double>{nominal_rate_, measured_rate_})
        values.push_back(rate > 0 ? 1e9 * gflops / rate : 0);
    return values;
  }
  /// The rates that the shares in the log are shares of. Measuring takes a moment, so only for a log.
  void ask_for_rates() {
    if constexpr (knows_rates) {
      nominal_rate_ = model_->exec().nominal_matmul_rate();
      measured_rate_ = model_->exec().matmul_rate();
    }
  }
  static std::string details(const report& r, double speed) {
    std::string s;
    char part[64];
    for (std::size_t i = 0; i < terms; ++i) {
      std::snprintf(part, sizeof part, "%s %.4f  ", std::string(Model::loss_type::names[i]).c_str(), r.losses[i]);
      s += part;
    }
    std::snprintf(part, sizeof part, "%.0f tokens/s", speed);
    return s + part;
  }

  Model* model_;
  train_options options_;
  adamw<exec_type> optimiser_;
  warmup_cosine rate_;
  noise_plan plan_;
  std::function<real_view(const packed_batch&, const noise_plan&)> teacher_;
  tape<exec_type> tape_;
  gathered<exec_type> gathered_;
  std::vector<loss_item> items_;  ///< of gathered_
  double nominal_rate_ = 0, measured_rate_ = 0;
  std::map<std::string, std::string> metadata_;
  index_t next_step_ = 0;
};

}  // namespace transfusion
