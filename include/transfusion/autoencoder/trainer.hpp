// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "transfusion/autoencoder/autoencoder.hpp"
#include "transfusion/autoencoder/balanced_gradient.hpp"
#include "transfusion/autoencoder/checkpoint.hpp"
#include "transfusion/autoencoder/code_use.hpp"
#include "transfusion/autoencoder/discriminator.hpp"
#include "transfusion/autoencoder/feature_network.hpp"
#include "transfusion/autoencoder/restart_codes.hpp"
#include "transfusion/train/adamw.hpp"
#include "transfusion/train/gathered.hpp"
#include "transfusion/train/progress.hpp"
#include "transfusion/train/training_log.hpp"
#include "transfusion/train/warmup_cosine.hpp"

namespace transfusion {

/// How an autoencoder is trained. Weights default to the paper's (appendix A). The loss is a mean over an image's
/// values, then over images, the divergence and the features' distances along with it: latent diffusion sums what we
/// average, in the same proportions. The paper names no rate; latent diffusion's is 4.5e-6 an image of a batch.
struct autoencoder_training {
  index_t steps = 1000000;
  double peak_rate = 1e-4;
  double last_rate = 1e-5;
  index_t warmup = 1000;
  adamw_options optimiser{.beta1 = 0.5, .beta2 = 0.9, .weight_decay = 0, .max_norm = 1, .ema_decay = 0.999};
  double absolute_weight = 1;
  double perceptual_weight = 1;
  double identity_weight = 0.2;
  double adversarial_weight = 0.5;
  double bottleneck_weight = -1;     ///< of the divergence or codebook; below 0: the bottleneck's own
  index_t adversarial_from = 50000;  ///< first step with the discriminator; `steps` or more: never
  bool adaptive = true;              ///< balance the adversarial gradient as latent diffusion does
  discriminator_options discriminator{};
  index_t restart_codes_after = 0;  ///< steps after which an unused code becomes an encoded pixel; 0: never
  std::uint64_t seed = 0;
  std::string log_path{};
  std::string checkpoint_path{};
  index_t checkpoint_every = 0;
  bool quiet = false;
};

/// What one step did. Losses are unweighted means over the images.
struct autoencoder_report {
  index_t step = 0;
  double absolute = 0;
  double bottleneck = 0;
  double perceptual = 0;
  double identity = 0;
  double adversarial = 0;    ///< of the decoder: minus the mean score of its patches
  double discriminator = 0;  ///< half the hinge losses of real and of reconstructed patches
  double gradient_norm = 0;  ///< of the autoencoder, before the clip
  double discriminator_norm = 0;
  double rate = 0;
  double codes_used = 0;       ///< the share of the codes that the last 100 steps read; 0 without a codebook
  double codes_dead = 0;       ///< how many they did not read
  double codes_restarted = 0;  ///< how many started again in this step
  double code_perplexity = 0;  ///< how many equally frequent codes those that are read would be
};

/// Trains an autoencoder, with its discriminator: all randomness is a pure function of (seed, step).
/// Perceptual, Identity: frozen feature networks, or no_features.
template <class Model, class Perceptual = no_features, class Identity = no_features>
class autoencoder_trainer {
  static constexpr bool has_codebook = requires(const Model& m) { m.bottleneck_options().codes; };

 public:
  using exec_type = typename Model::exec_type;
  using real = typename exec_type::real;

  /// Model and networks must outlive the trainer. Throws config_error on an option outside its range.
  autoencoder_trainer(Model& model, const autoencoder_training& options, const Perceptual& perceptual = {},
                      const Identity& identity = {})
      : model_(&model),
        options_((require_valid(options), options)),
        optimiser_(model.exec(), model.parameters(), options.optimiser),
        rate_{options.peak_rate, options.last_rate, options.warmup, options.steps},
        tape_(model.exec()),
        gathered_(model.exec()) {
    if constexpr (!std::is_same_v<Perceptual, no_features>) perceptual_.emplace(model.exec(), perceptual);
    if constexpr (!std::is_same_v<Identity, no_features>) identity_.emplace(model.exec(), identity);
    if constexpr (has_codebook) codes_ = code_use(model.bottleneck_options().codes);
    if (options.adversarial_from >= options.steps) return;
    constexpr std::uint64_t apart = 0x9E3779B97F4A7C15;  // from the seeds that people choose
    discriminator_.emplace(model.exec(), model.options().channels, model.options().axes, options.discriminator,
                           options.seed + apart);
    adamw_options plain = options.optimiser;
    plain.ema_decay = 0;
    discriminator_optimiser_.emplace(model.exec(), discriminator_->parameters(), plain);
  }

  /// Runs the steps that are left. `images_of(step)` gives the images of a step, in [-1, 1], as a pure function of its
  /// number; `observe(report)` hears of each step.
  template <class Source, class Observer>
  void run(Source&& images_of, Observer&& observe) {
    training_log log(options_.log_path, column_names(), next_step_);
    progress bar("autoencoder", options_.steps, next_step_, options_.quiet);
    while (next_step_ < options_.steps) {
      const autoencoder_report r = step(images_of(next_step_));
      observe(r);
      log.write(r.step, columns(r));
      if (bar.due() || next_step_ == options_.steps) bar.update(next_step_, details(r));
      if (options_.checkpoint_every > 0 && next_step_ % options_.checkpoint_every == 0 && next_step_ < options_.steps)
        save();
    }
    save();
  }
  template <class Source>
  void run(Source&& images_of) {
    run(images_of, [](const autoencoder_report&) {});
  }

  /// One step of the autoencoder and, from its step on, of the discriminator. Throws numeric_error, before any weight
  /// changes, when a loss or gradient is not finite.
  autoencoder_report step(std::span<const image> images) {
    autoencoder_report r{.step = next_step_, .rate = rate_(next_step_)};
    const bool judged = discriminator_ && next_step_ >= options_.adversarial_from;
    reconstruction<exec_type> made;
    try {
      made = run_passes(images, judged);
      read(r);
    } catch (...) {  // what has gathered must not count in another step
      model_->parameters().zero_gradients();
      if (discriminator_) {
        discriminator_->parameters().unfreeze("");
        discriminator_->parameters().zero_gradients();
      }
      throw;
    }
    scale_.reset();
    optimiser_.step(next_step_, r.rate);
    if (judged) discriminator_optimiser_->step(next_step_ - options_.adversarial_from, r.rate);
    if constexpr (has_codebook) follow_codes(r, made);
    ++next_step_;
    return r;
  }

  /// Measures the scale of the latents with the averaged weights, images_of(batch) for batch 0 to `batches` - 1. The
  /// next save() writes it; a further step forgets it, as it is that of other weights.
  template <class Source>
  void measure_latents(index_t batches, Source&& images_of) requires(!has_codebook) {
    const averaged_weights<exec_type> averaged(model_->exec(), model_->parameters(), optimiser_);
    tape<exec_type> plain(model_->exec(), recording::off);
    latent_statistics statistics(model_->options().latent_channels);
    for (index_t b = 0; b < batches; ++b) {
      plain.reset();
      const auto images = images_of(b);
      const auto x = model_->upload(plain, std::span<const image>(images));
      add_latents(statistics, plain, model_->bottleneck().latents(plain, model_->encode(plain, x)));
    }
    scale_ = statistics.scale();
  }
  const std::optional<latent_scale>& scale() const { return scale_; }

  /// Writes what a run needs to go on, atomically; nothing without a checkpoint path. It is an autoencoder's file as
  /// well.
  void save() {
    if (!options_.checkpoint_path.empty()) save_autoencoder_checkpoint(options_.checkpoint_path, *model_, state());
  }
  /// Goes on from a checkpoint. Throws format_error, with nothing changed, on a file that does not fit.
  void resume(const std::string& path) { next_step_ = load_autoencoder_checkpoint(path, *model_, state()); }

  index_t next_step() const { return next_step_; }
  const code_use& codes() const { return codes_; }
  const adamw<exec_type>& optimiser() const { return optimiser_; }

 private:
  autoencoder_state<exec_type> state() {
    return {next_step_,
            options_.seed,
            &optimiser_,
            discriminator_ ? &discriminator_->parameters() : nullptr,
            discriminator_optimiser_ ? &*discriminator_optimiser_ : nullptr,
            &codes_,
            &scale_};
  }

  static constexpr index_t code_window = 100;

  /// A loss that waits to be read: its mean over `count` numbers goes into a member of the report.
  struct item {
    double autoencoder_report::*member;
    index_t count;
    double share;
  };

  static void require_valid(const autoencoder_training& o) {
    require<config_error>(o.steps > 0, "steps: found ", o.steps, ", expected > 0");
    require<config_error>(o.warmup >= 0 && o.warmup <= o.steps, "warmup: found ", o.warmup,
                          ", expected 0 to steps = ", o.steps);
    const auto not_negative = [](const char* name, double value) {
      require<config_error>(value >= 0, name, ": found ", value, ", expected >= 0");
    };
    not_negative("peak_rate", o.peak_rate);
    not_negative("last_rate", o.last_rate);
    not_negative("absolute_weight", o.absolute_weight);
    not_negative("perceptual_weight", o.perceptual_weight);
    not_negative("identity_weight", o.identity_weight);
    not_negative("adversarial_weight", o.adversarial_weight);
    not_negative("adversarial_from", static_cast<double>(o.adversarial_from));
    not_negative("restart_codes_after", static_cast<double>(o.restart_codes_after));
    not_negative("checkpoint_every", static_cast<double>(o.checkpoint_every));
  }

  void add_latents(latent_statistics& statistics, tape<exec_type>& plain, var<exec_type> latents) {
    const auto wide = plain.saved_real(latents.rows(), latents.cols());
    model_->exec().widen(wide.flat(), latents.value().flat());
    std::vector<real> host(static_cast<std::size_t>(wide.size()));
    model_->exec().download(host.data(), wide.data, host.size() * sizeof(real));
    statistics.add_rows(std::span<const real>(host));
  }

  std::uint32_t step_word() const { return static_cast<std::uint32_t>(next_step_); }
  double bottleneck_weight() const {
    return options_.bottleneck_weight < 0 ? Model::bottleneck_type::default_weight : options_.bottleneck_weight;
  }

  void place_losses(const pixel_batch<exec_type>& x, const reconstruction<exec_type>& made,
                    std::span<const pixel_level> patches) {
    balanced_pixels<exec_type> pixels{made.pixels, made.pixels};
    const bool balances = options_.adaptive && !patches.empty();
    if (balances)
      pixels = balanced_gradient(tape_, made.pixels, made.hidden, model_->last_layer(), x.levels.front().window,
                                 options_.adversarial_weight);
    const auto flat = unpatchify(tape_, pixels.reconstructed, x.places, {}, x.values.size());
    gather(&autoencoder_report::absolute, pointwise_error(tape_, error_kind::absolute, flat, x.values, x.places,
                                                          in_mean_over(tape_, x.images(), options_.absolute_weight)));
    if constexpr (!std::is_same_v<Perceptual, no_features>)
      gather(&autoencoder_report::perceptual,
             (*perceptual_)(tape_, pixels.reconstructed, x, options_.perceptual_weight));
    if constexpr (!std::is_same_v<Identity, no_features>)
      gather(&autoencoder_report::identity, (*identity_)(tape_, pixels.reconstructed, x, options_.identity_weight));
    if (patches.empty()) return;
    gather(&autoencoder_report::adversarial,
           score(pixels.adversarial, patches, x, error_kind::linear, 1, balances ? 1 : options_.adversarial_weight));
  }

  void place_discriminator_losses(const pixel_batch<exec_type>& x, var<exec_type> pixels,
                                  std::span<const pixel_level> patches) {
    const auto fake = tape_.constant(pixels.value());
    gather(&autoencoder_report::discriminator, score(x.rows, patches, x, error_kind::hinge, 1, 0.5), 0.5);
    gather(&autoencoder_report::discriminator, score(fake, patches, x, error_kind::hinge, -1, 0.5), 0.5);
  }

  /// The losses [I] of the discriminator's scores against what each patch should be, 1 or -1.
  view<real, 1> score(var<exec_type> pixels, std::span<const pixel_level> patches, const pixel_batch<exec_type>& x,
                      error_kind kind, double wanted, double weight) {
    const auto scores = (*discriminator_)(tape_, pixels, patches);
    const auto target = tape_.saved_real(scores.rows());
    model_->exec().fill(target, wanted);
    auto rows = tape_.template list<index_t>(x.images());
    for (const image_place& i : x.shapes) {
      patch_grid grid{i.shape.height, i.shape.width, i.shape.depth};
      for (index_t l = 0; l < options_.discriminator.halvings; ++l)
        grid = strided(grid, detail::along_axes(model_->options().axes, 2));
      rows.push_back(grid.patches());
    }
    return row_error(tape_, kind, scores, view<const real, 1>(target), {rows.data(), x.shapes.size()}, weight);
  }

  void gather(double autoencoder_report::*member, view<const real, 1> losses, double share = 1) {
    gathered_.add(losses);
    items_.push_back({member, losses.size(), share / static_cast<double>(losses.size())});
  }
  void gather(double autoencoder_report::*member, const std::vector<view<real, 1>>& maps) {
    for (const auto& losses : maps) gather(member, losses);
  }

  /// Waits for losses and gradients. Throws numeric_error where one is not finite.
  void read(autoencoder_report& r) {
    auto number = gathered_.read().begin();
    for (const item& i : items_)
      for (index_t n = 0; n < i.count; ++n) r.*i.member += i.share * static_cast<double>(*number++);
    r.gradient_norm = std::sqrt(r.gradient_norm);
    r.discriminator_norm = std::sqrt(r.discriminator_norm);
    for (const auto& [name, member] : logged)
      require<numeric_error>(std::isfinite(r.*member), "step ", r.step, ": ", name, ": found ", r.*member,
                             ", expected a finite number");
  }

  /// Everything up to the gradients of a step; what is to be read is gathered.
  reconstruction<exec_type> run_passes(std::span<const image> images, bool judged) {
    tape_.reset();
    gathered_.clear();
    items_.clear();
    const auto x = model_->upload(tape_, images);
    const auto made = model_->reconstruct(tape_, x, bottleneck_weight(), {options_.seed, step_word(), stream::noise});
    gather(&autoencoder_report::bottleneck, made.bottleneck.losses);
    std::span<const pixel_level> patches;
    if (judged) patches = discriminator_->levels(tape_, x);
    place_losses(x, made, patches);
    if (judged) discriminator_->parameters().freeze("");  // what it scores here is the decoder's to learn from
    tape_.backward();
    if (judged) discriminator_->parameters().unfreeze("");
    gather(&autoencoder_report::gradient_norm, optimiser_.measure_gradient());
    if (judged) {
      place_discriminator_losses(x, made.pixels, patches);
      tape_.backward();
      gather(&autoencoder_report::discriminator_norm, discriminator_optimiser_->measure_gradient());
    }
    return made;
  }

  /// Counts the codes of a step, and gives those that nobody reads a new place.
  void follow_codes(autoencoder_report& r, const reconstruction<exec_type>& made) requires(has_codebook) {
    const auto device = made.bottleneck.codes;
    std::vector<token_t> found(static_cast<std::size_t>(device.size()));
    model_->exec().download(found.data(), device.data, found.size() * sizeof(token_t));
    codes_.add(r.step, found);
    const index_t read = codes_.read(r.step, code_window);
    r.codes_used = static_cast<double>(read) / static_cast<double>(codes_.codes());
    r.codes_dead = static_cast<double>(codes_.codes() - read);
    r.code_perplexity = codes_.perplexity();
    if (options_.restart_codes_after == 0 || r.step + 1 < options_.restart_codes_after) return;
    const auto dead = codes_.dead(r.step, options_.restart_codes_after);
    r.codes_restarted = static_cast<double>(dead.size());
    if (dead.empty()) return;
    restart_codes(tape_, model_->parameters(), optimiser_, model_->bottleneck().codes, dead, made.encoded.value(),
                  {options_.seed, step_word(), stream::resampling});
    for (index_t code : dead) codes_.renew(code, r.step);
  }

  /// The report's columns in the log.
  static constexpr std::pair<const char*, double autoencoder_report::*> logged[] = {
      {"absolute", &autoencoder_report::absolute},
      {Model::bottleneck_type::loss_name, &autoencoder_report::bottleneck},
      {"perceptual", &autoencoder_report::perceptual},
      {"identity", &autoencoder_report::identity},
      {"adversarial", &autoencoder_report::adversarial},
      {"discriminator", &autoencoder_report::discriminator},
      {"gradient_norm", &autoencoder_report::gradient_norm},
      {"discriminator_norm", &autoencoder_report::discriminator_norm},
      {"rate", &autoencoder_report::rate},
      {"codes_used", &autoencoder_report::codes_used},
      {"codes_dead", &autoencoder_report::codes_dead},
      {"codes_restarted", &autoencoder_report::codes_restarted},
      {"code_perplexity", &autoencoder_report::code_perplexity}};

  static std::vector<std::string> column_names() {
    std::vector<std::string> names;
    for (const auto& [name, member] : logged) names.emplace_back(name);
    return names;
  }
  static std::vector<double> columns(const autoencoder_report& r) {
    std::vector<double> values;
    for (const auto& [name, member] : logged) values.push_back(r.*member);
    return values;
  }
  static std::string details(const autoencoder_report& r) {
    std::string text = part("absolute", r.absolute) + part(Model::bottleneck_type::loss_name, r.bottleneck);
    if (r.perceptual != 0) text += part("perceptual", r.perceptual);
    if (r.discriminator != 0) text += part("discriminator", r.discriminator);
    if (has_codebook) text += part("codes", r.codes_used);
    return text;
  }
  static std::string part(const char* name, double value) {
    char text[64];
    std::snprintf(text, sizeof text, "%s %.4f  ", name, value);
    return text;
  }

  Model* model_;
  autoencoder_training options_;
  adamw<exec_type> optimiser_;
  warmup_cosine rate_;
  std::optional<feature_distance<Perceptual, exec_type>> perceptual_;
  std::optional<feature_distance<Identity, exec_type>> identity_;
  std::optional<discriminator<exec_type>> discriminator_;
  std::optional<adamw<exec_type>> discriminator_optimiser_;
  tape<exec_type> tape_;
  gathered<exec_type> gathered_;
  std::vector<item> items_;  ///< of gathered_
  code_use codes_;
  std::optional<latent_scale> scale_;
  index_t next_step_ = 0;
};

}  // namespace transfusion
