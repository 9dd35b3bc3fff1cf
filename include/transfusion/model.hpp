// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "transfusion/autograd/op/embedding.hpp"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/layer/trunk.hpp"
#include "transfusion/model_config.hpp"
#include "transfusion/sequence/packed_batch.hpp"

// The policies that a variant is made of.
#include "transfusion/diffusion/schedule/linear.hpp"
#include "transfusion/diffusion/schedule/rectified_flow.hpp"
#include "transfusion/diffusion/solver/ddim.hpp"
#include "transfusion/diffusion/target/data.hpp"
#include "transfusion/diffusion/target/v.hpp"
#include "transfusion/diffusion/target/velocity.hpp"
#include "transfusion/diffusion/time_sampling/limited.hpp"
#include "transfusion/diffusion/weighting/min_snr.hpp"
#include "transfusion/mask/bidirectional.hpp"
#include "transfusion/mask/causal.hpp"

namespace transfusion {

/// The noise of every image of a batch: how much (one level an image), and where its random numbers begin.
struct noise_plan {
  std::vector<noise_level> levels;  ///< [I]
  random_key key;
  index_t first_value = 0;  ///< of this batch among all values that share the key
};

/// What part of an optimiser step a batch is, so that several small batches give the gradient of one large one.
struct step_share {
  index_t all_targets = 0;  ///< rows with a next-token target in the whole step; 0: this batch is all
  index_t all_images = 0;
  index_t first_image = 0;  ///< images and values of the step before this batch
  index_t first_value = 0;
};

/// One pass of rows through a model, on the device.
template <class Exec>
struct model_inputs {
  view<const token_t, 1> tokens;      ///< [N]; `ignored` on patch rows
  view<const token_t, 1> patch_rows;  ///< [P]
  image_batch<Exec> images;
  attention_context<Exec> context;
};

/// Losses of one pass, on the device until asked for.
template <class Exec, std::size_t Terms>
struct model_losses {
  std::array<loss::term_values<Exec>, Terms> terms;

  /// Σ of term i over its items, divided by the step's count: this batch's share of the mean.
  double mean(Exec& exec, std::size_t i) const {
    const auto& term = terms[i];
    if (term.count == 0) return 0;
    constexpr index_t piece = 512;
    typename Exec::real host[piece];
    double sum = 0;
    for (index_t begin = 0; begin < term.each.size(); begin += piece) {
      const index_t count = std::min(piece, term.each.size() - begin);
      exec.download(host, term.each.data + begin, static_cast<std::size_t>(count) * sizeof(typename Exec::real));
      for (index_t j = 0; j < count; ++j) sum += static_cast<double>(host[j]);
    }
    return sum / static_cast<double>(term.count);
  }
};

/// A Transfusion model: one transformer over text tokens and image patches, with a next-token head and a denoising
/// codec. `Variant` names its policies, `Exec` says where it runs. The policy object must outlive the model.
template <variant Variant, execution_policy Exec>
class model {
  static_assert(modality_codec<typename Variant::codec, Exec>, "Variant::codec is no modality_codec for this policy");

 public:
  using variant_type = Variant;
  using exec_type = Exec;
  using scalar = typename Exec::scalar;
  using real = typename Exec::real;
  using config_type = model_config<Variant>;
  using loss_type = typename Variant::loss;
  static constexpr index_t intervals_per_row = mask::intervals_per_row<typename Variant::mask>;
  using losses = model_losses<Exec, loss_type::terms>;
  using codec_layer = typename Variant::codec::template layer<Exec>;

  /// The hidden rows and, where there are images, the codec's prediction.
  struct outputs {
    var<Exec> hidden;      ///< [N, D], after the final norm
    var<Exec> prediction;  ///< [1, all values]
  };

  /// Declares and draws the parameters; throws config_error on sizes that contradict each other.
  model(Exec& exec, config_type config, std::uint64_t seed) : model(declared_only{}, &exec, config) {
    parameters_.allocate(exec, seed);
  }

  /// How many trainable numbers a configuration has, by the first part of their name ("" is all), without taking memory
  /// for them.
  static index_t parameter_count(config_type config, std::string_view prefix = "") {
    return model(declared_only{}, nullptr, config).parameters_.count(prefix);
  }

  const config_type& config() const { return config_; }
  Exec& exec() const { return *exec_; }
  parameter_set<Exec>& parameters() { return parameters_; }

  patch_grid grid(image_shape shape) const { return Variant::codec::grid(shape, config_.codec); }

  /// Packs documents as this model reads them. Throws shape_error naming the document on bad tokens or image shapes.
  packed_batch pack(const std::vector<document>& documents) const {
    for (const document& d : documents)
      for (const segment& s : d.segments)
        if (const text* t = std::get_if<text>(&s))
          for (token_t token : t->tokens)
            require<shape_error>(token >= 0 && token < config_.vocabulary, "document ", &d - documents.data(),
                                 ": token ", token, ", expected 0 to ", config_.vocabulary - 1);
    return transfusion::pack(documents, config_.markers, [this](image_shape s) { return grid(s); });
  }

  /// Draws a noise level for each image: a pure function of the key and the image's number in the step. `reuse` lends
  /// its memory to the result.
  noise_plan plan_noise(const packed_batch& batch, random_key key, const step_share& share = {},
                        noise_plan reuse = {}) const {
    noise_plan plan{std::move(reuse.levels), {key.seed, key.step, stream::noise}, share.first_value};
    plan.levels.clear();
    const random_key times{key.seed, key.step, stream::timestep};
    for (const span& s : batch.table.spans()) {  // in the order of the images
      const double u = times.uniform(static_cast<std::uint64_t>(share.first_image + s.image));
      plan.levels.push_back(level_at(schedule_, time_sampling_(u, s.leads)));
    }
    return plan;
  }

  /// Clean images, shown at the least noise that training ever shows: how an image is read, not drawn.
  static noise_plan clean(const packed_batch& batch) {
    return {std::vector<noise_level>(batch.images.size(), clean_level), {}, 0};
  }
  static constexpr noise_level clean_level{.time = 1.0 / layer::timestep_mlp<Exec>::steps, .signal = 1, .noise = 0};

  /// The embedded rows, the trunk, and the codec around it (paper Fig. 1).
  outputs forward(tape<Exec>& tape, const model_inputs<Exec>& in) const {
    auto x = embedding(tape, in.tokens, embedding_);
    if (in.images.patches() == 0) return {trunk_(tape, x, in.context), {}};
    const auto encoded = codec_.encode(tape, in.images);
    x = scatter_rows(tape, x, encoded.tokens, in.patch_rows);
    auto hidden = trunk_(tape, x, in.context);
    return {hidden, codec_.decode(tape, gather_rows(tape, hidden, in.patch_rows), encoded.skip, in.images)};
  }

  /// Noises the images of a batch (paper eq. 2), runs it and evaluates the objective (eq. 4). On a recording tape,
  /// `tape.backward()` then adds the gradients to the parameters.
  losses loss(tape<Exec>& tape, const packed_batch& batch, const noise_plan& plan, const step_share& share = {}) const {
    require_extent("noise plan: levels against images", static_cast<index_t>(plan.levels.size()), batch.image_count());
    const auto places = tape.upload(batch.images);
    const auto noised = add_noise(tape, batch, plan, places);
    const auto out = forward(tape, inputs(tape, batch, noised.x_t, places, plan));
    auto targets = tape.template list<token_t>(batch.text_targets());
    for (token_t row : batch.text_rows) targets.push_back(batch.targets[static_cast<std::size_t>(row)]);
    auto image_weights = tape.template list<double>(batch.image_count());
    for (const noise_level& level : plan.levels)
      image_weights.push_back(weighting_(level, Variant::target::of(level.signal, level.noise)));
    transfusion::loss::context<Exec> context{tape,
                                             out.hidden,
                                             out.prediction,
                                             head_,
                                             tape.upload(batch.text_rows),
                                             tape.upload(targets),
                                             places,
                                             noised.target,
                                             image_weights,
                                             share.all_targets ? share.all_targets : batch.text_targets(),
                                             share.all_images ? share.all_images : batch.image_count()};
    return {loss_type::evaluate(context, config_.loss_weights)};
  }

  /// The inputs of an uncached pass over a whole batch, with its images as given.
  model_inputs<Exec> inputs(tape<Exec>& tape, const packed_batch& batch, view<const real, 1> values,
                            view<const image_place, 1> places, const noise_plan& plan) const {
    auto keys = tape.template list<key_interval>(batch.rows() * intervals_per_row);
    mask::lower(mask_, batch.table, 0, batch.rows(), 0, keys);
    auto positions = tape.template list<token_t>(batch.rows());
    for (index_t q = 0; q < batch.rows(); ++q) positions.push_back(static_cast<token_t>(position_.at(q, batch.table)));
    return {tape.upload(batch.tokens),
            tape.upload(batch.patch_rows),
            {values, places, upload_times(tape, plan.levels), tape.upload(batch.patch_image)},
            context(tape, keys, positions)};
  }

  /// Attention's part of the inputs: lowered key intervals and rotations. keys: rows × intervals_per_row; positions:
  /// rows.
  template <class Keys, class Positions>
  attention_context<Exec> context(tape<Exec>& tape, const Keys& keys, const Positions& positions) const {
    const auto rotation = tape.saved_real(static_cast<index_t>(positions.size()), config_.width / config_.heads);
    exec_->rope_table(rotation, tape.upload(positions), config_.rope_theta);
    const view<const key_interval, 1> flat = tape.upload(keys);
    return {key_intervals(flat.data, static_cast<index_t>(positions.size()), intervals_per_row), rotation, nullptr, {}};
  }

  /// The times of images as the codec reads them, in steps of 1/1000.
  static view<const real, 1> upload_times(tape<Exec>& tape, const std::vector<noise_level>& levels) {
    auto times = tape.template list<real>(static_cast<index_t>(levels.size()));
    for (const noise_level& level : levels)
      times.push_back(static_cast<real>(level.time * layer::timestep_mlp<Exec>::steps));
    return tape.upload(times);
  }

  /// Logits of the given hidden rows, on the device. hidden: [R, D]; result: [R, V].
  view<const real, 2> logits(tape<Exec>& tape, view<const scalar, 2> hidden) const {
    const auto y = tape.saved_real(hidden.rows(), config_.vocabulary);
    exec_->logits(y, hidden, head_.value());
    return y;
  }

  /// The output matrix [V, D].
  parameter<Exec> head() const { return head_; }

  const typename Variant::mask& mask_policy() const { return mask_; }
  const typename Variant::position& position_policy() const { return position_; }
  const typename Variant::schedule& schedule() const { return schedule_; }

 private:
  struct declared_only {};
  struct noised_images {
    view<real, 1> x_t, target;
  };

  model(declared_only, Exec* exec, config_type config)
      : exec_(exec),
        config_(completed(config)),
        embedding_(parameters_.declare("embedding", {config_.vocabulary, config_.width},
                                       initial_value::normal(initial_deviation))),
        trunk_(parameters_, {config_.width, config_.heads, config_.kv_heads, config_.feed_forward, config_.layers,
                             config_.norm_epsilon}),
        head_(
            parameters_.declare("head", {config_.vocabulary, config_.width}, initial_value::normal(initial_deviation))),
        codec_(parameters_, "codec", config_.codec, config_.width) {}

  /// x_t = a·x0 + b·ε and the target p·x0 + q·ε of every image. Noise is added before patches are cut (paper §3).
  noised_images add_noise(tape<Exec>& tape, const packed_batch& batch, const noise_plan& plan,
                          view<const image_place, 1> places) const {
    const index_t count = static_cast<index_t>(batch.values.size());
    auto host = tape.template list<real>(count);
    for (float v : batch.values) host.push_back(static_cast<real>(v));
    auto mixing = tape.template list<real>(2 * batch.image_count());
    auto aiming = tape.template list<real>(2 * batch.image_count());
    for (const noise_level& level : plan.levels) {
      const coefficients target = Variant::target::of(level.signal, level.noise);
      for (double c : {level.signal, level.noise}) mixing.push_back(static_cast<real>(c));
      for (double c : {target.data, target.noise}) aiming.push_back(static_cast<real>(c));
    }
    const auto clean = tape.upload(host);
    const auto noise = tape.saved_real(count), x_t = tape.saved_real(count), target = tape.saved_real(count);
    exec_->normal(noise, plan.key, 1.0, plan.first_value);
    const auto as_rows = [](view<const real, 1> v) { return view<const real, 2>(v.data, v.size() / 2, 2); };
    exec_->mix(x_t, clean, noise, as_rows(tape.upload(mixing)), places);
    exec_->mix(target, clean, noise, as_rows(tape.upload(aiming)), places);
    return {x_t, target};
  }

  Exec* exec_;
  config_type config_;
  parameter_set<Exec> parameters_;
  parameter<Exec> embedding_;
  layer::trunk<typename Variant::block, Exec> trunk_;
  parameter<Exec> head_;
  codec_layer codec_;
  [[no_unique_address]] typename Variant::mask mask_;
  [[no_unique_address]] typename Variant::position position_;
  [[no_unique_address]] typename Variant::schedule schedule_;
  [[no_unique_address]] typename Variant::time_sampling time_sampling_;
  [[no_unique_address]] typename Variant::weighting weighting_;
};

}  // namespace transfusion
