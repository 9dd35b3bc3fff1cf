// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "transfusion/autograd/op/embedding.hpp"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/layer/timestep_mlp.hpp"
#include "transfusion/layer/trunk.hpp"
#include "transfusion/model_config.hpp"
#include "transfusion/model_inputs.hpp"
#include "transfusion/policies.hpp"
#include "transfusion/prebuilt.hpp"
#include "transfusion/sequence/step_share.hpp"

namespace transfusion {

/// The policies of one continuous modality with the weights of its codec.
template <class Modality, class Exec>
struct modality_layer {
  static_assert(modality_codec<typename Modality::codec, Exec>,
                "the codec of the variant, or of a struct in its modality_list, is no modality_codec for this policy");
  static_assert(weighs_own_schedule<typename Modality::weighting, typename Modality::schedule>,
                "weighting::per_schedule<S>: S is not the schedule of the variant or modality beside it");

  typename Modality::codec::template layer<Exec> codec;
  [[no_unique_address]] typename Modality::schedule schedule{};
  [[no_unique_address]] typename Modality::time_sampling time_sampling{};
  [[no_unique_address]] typename Modality::weighting weighting{};
};

/// A Transfusion model: one transformer over text tokens and image patches, with a next-token head and a denoising
/// codec. `Variant` names its policies, `Exec` says where it runs. The policy object must outlive the model.
template <variant Variant, execution_policy Exec>
class model {
 public:
  using variant_type = Variant;
  using exec_type = Exec;
  using scalar = typename Exec::scalar;
  using real = typename Exec::real;
  using config_type = model_config<Variant>;
  using loss_type = typename Variant::loss;
  using modalities = modalities_of<Variant>;
  static constexpr index_t intervals_per_row = mask::intervals_per_row<typename Variant::mask>;
  static constexpr index_t position_axes = position::axes<typename Variant::position>;
  static constexpr std::size_t modality_count = modalities::count;
  using losses = model_losses<Exec, loss_type::terms>;
  using inputs_type = model_inputs<Exec, modality_count>;

  /// The hidden rows and, where there are images, the codecs' prediction.
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

  /// How parameters of a modality's codec are called: `codec`, `codec1`, `codec2`, …
  static std::string codec_name(std::size_t modality) {
    return modality == 0 ? "codec" : "codec" + std::to_string(modality);
  }

  const config_type& config() const { return config_; }
  Exec& exec() const { return *exec_; }
  parameter_set<Exec>& parameters() { return parameters_; }

  /// Whether a modality's items are tokens of the vocabulary.
  template <std::size_t M>
  static constexpr bool discrete = codec::is_discrete<typename modalities::template at<M>::codec>;

  /// The patches of an item of one modality. Throws shape_error where it cannot be cut.
  patch_grid grid(image_shape shape, index_t modality = 0) const {
    patch_grid found;
    with_modality(modality, [&](auto m) {
      found = modalities::template at<m>::codec::grid(shape, config_.template codec_options<m>());
    });
    return found;
  }

  /// How many rows an item takes between its begin and end tokens.
  index_t image_rows(image_shape shape, index_t modality = 0) const {
    index_t lead = Variant::timestep::lead_rows;
    with_modality(modality, [&](auto m) { lead = discrete<m> ? 0 : lead; });
    return lead + grid(shape, modality).patches();
  }

  /// Packs documents as this model reads them. Throws shape_error naming the document on bad tokens or image shapes.
  packed_batch pack(const std::vector<document>& documents) const {
    const index_t words = config_.text_vocabulary();
    for (const document& d : documents)
      for (const segment& s : d.segments)
        if (const text* t = std::get_if<text>(&s))
          for (token_t token : t->tokens)
            require<shape_error>(token >= 0 && token < words, "document ", &d - documents.data(), ": token ", token,
                                 ", expected 0 to ", words - 1, words < config_.vocabulary ? ", before the codes" : "");
    return transfusion::pack(documents, rules_, [this](image_shape s, index_t modality) { return grid(s, modality); });
  }
  const packing_rules& rules() const { return rules_; }

  /// Draws a noise level for each image: a pure function of the key and the image's number in the step. `reuse` lends
  /// its memory to the result.
  noise_plan plan_noise(const packed_batch& batch, random_key key, const step_share& share = {},
                        noise_plan reuse = {}) const {
    noise_plan plan{std::move(reuse.levels), {key.seed, key.step, stream::noise}, share.first_value};
    plan.levels.assign(static_cast<std::size_t>(batch.image_count()), clean_level);
    const random_key times{key.seed, key.step, stream::timestep};
    const span* first = nullptr;                 // learnt image of the document
    for (const span& s : batch.table.spans()) {  // in the order of the images
      if (batch.context[static_cast<std::size_t>(s.image)]) continue;
      if (!first || s.document != first->document) first = &s;
      with_modality(s.modality, [&](auto m) {
        const auto& policies = modality<m>();
        const span& drawn_for = shares_level<m> ? *first : s;
        const double u = times.uniform(static_cast<std::uint64_t>(share.first_image + drawn_for.image));
        plan.levels[static_cast<std::size_t>(s.image)] =
            level_at(policies.schedule, policies.time_sampling(u, drawn_for.leads));
      });
    }
    return plan;
  }

  /// Clean images, shown at the least noise that training ever shows: how an image is read, not drawn.
  static noise_plan clean(const packed_batch& batch) {
    return {std::vector<noise_level>(batch.images.size(), clean_level), {}, 0};
  }
  static constexpr noise_level clean_level{.time = 1.0 / layer::timestep_mlp<Exec>::steps, .signal = 1, .noise = 0};

  /// The embedded rows, the trunk, and the codecs around it (paper Fig. 1).
  outputs forward(tape<Exec>& tape, const inputs_type& in) const {
    auto x = embedding(tape, in.tokens, embedding_);
    skips kept;
    for_each_modality([&](auto m) {
      const auto& part = in.modalities[m];
      if (part.images.patches() == 0) return;
      if (part.time_rows.size() > 0) x = scatter_rows(tape, x, (*time_)(tape, part.images.times), part.time_rows);
      auto encoded = modality<m>().codec.encode(tape, part.images);
      x = scatter_rows(tape, x, encoded.tokens, part.patch_rows);
      kept.template get<m>() = std::move(encoded.skip);
    });
    auto context = in.context;
    if (in.times.size() > 0) context.condition = silu(tape, (*time_)(tape, in.times));
    const auto hidden = trunk_(tape, x, context);
    var<Exec> prediction;
    for_each_modality([&](auto m) {
      const auto& part = in.modalities[m];
      if (part.images.patches() == 0) return;
      const auto rows = gather_rows(tape, hidden, part.patch_rows);
      const auto decoded = modality<m>().codec.decode(tape, rows, kept.template get<m>(), part.images);
      prediction = prediction ? add(tape, prediction, decoded) : decoded;  // 0 where another modality's values stand
    });
    return {hidden, prediction};
  }

  /// The codecs' prediction for a batch whose images are noised by a plan: [all values], alive until the tape's reset;
  /// empty without images.
  view<const real, 1> predict(tape<Exec>& tape, const packed_batch& batch, const noise_plan& plan) const {
    const auto noised = add_noise(tape, batch, plan, tape.upload(batch.images));
    const auto prediction = forward(tape, inputs(tape, batch, noised.x_t, plan)).prediction;
    if (!prediction) return {};
    const auto y = tape.saved_real(prediction.value().size());
    exec_->widen(y, prediction.value().flat());
    return y;
  }

  /// Noises the images of a batch (paper eq. 2), runs it and evaluates the objective (eq. 4). On a recording tape,
  /// `tape.backward()` then adds the gradients to the parameters. `teacher`: another model's prediction for the same
  /// values, for loss terms that ask for one.
  losses loss(tape<Exec>& tape, const packed_batch& batch, const noise_plan& plan, const step_share& share = {},
              view<const real, 1> teacher = {}) const {
    require_extent("noise plan: levels against images", static_cast<index_t>(plan.levels.size()), batch.image_count());
    const auto places = tape.upload(batch.images);
    const auto noised = add_noise(tape, batch, plan, places);
    auto in = inputs(tape, batch, noised.x_t, plan);
    if (config_.dropout > 0 && tape.records())
      in.context.dropout = {true, {plan.key.seed, plan.key.step, stream::activation_dropout}, share.first_row};
    const auto out = forward(tape, in);
    auto targets = tape.template list<token_t>(batch.text_targets());
    for (token_t row : batch.text_rows) targets.push_back(batch.targets[static_cast<std::size_t>(row)]);
    auto image_weights = tape.template list<double>(batch.image_count());
    for (const span& s : batch.table.spans()) {
      const auto number = static_cast<std::size_t>(s.image);
      image_weights.push_back(batch.context[number] ? 0 : weight_of(s, plan.levels[number]));
    }
    const auto shares = shares_of(tape, batch, share);
    transfusion::loss::context<Exec> context{tape,
                                             out.hidden,
                                             out.prediction,
                                             head_,
                                             tape.upload(batch.text_rows),
                                             tape.upload(targets),
                                             places,
                                             noised.target,
                                             image_weights,
                                             shares.text,
                                             shares.images,
                                             config_.label_smoothing};
    context.teacher = teacher;
    return {loss_type::evaluate(context, config_.loss_weights)};
  }

  /// The inputs of an uncached pass over a whole batch, with its images at the given noise. values: flat, all images.
  inputs_type inputs(tape<Exec>& tape, const packed_batch& batch, view<const real, 1> values,
                     const noise_plan& plan) const {
    auto keys = tape.template list<key_interval>(batch.rows() * intervals_per_row);
    mask::lower(mask_, batch.table, 0, batch.rows(), 0, keys);
    auto positions = tape.template list<token_t>(batch.rows() * position_axes);
    position::lower(position_, batch.table, 0, batch.rows(), positions);
    return inputs(tape, {batch.tokens, positions, keys, batch.modalities, plan.levels}, values);
  }

  /// The same of any rows.
  inputs_type inputs(tape<Exec>& tape, const pass_rows& rows, view<const real, 1> values) const {
    inputs_type in{tape.upload(rows.tokens), {}, {}, attention_inputs(tape, rows)};
    for (std::size_t m = 0; m < modality_count; ++m) {
      const modality_batch& part = rows.modalities[m];
      auto times = tape.template list<real>(part.image_count());
      detail::put_times<Exec>(part, rows.levels, times);
      in.modalities[m] = {
          tape.upload(part.patch_rows),
          tape.upload(part.time_rows),
          {values, tape.upload(part.places), tape.upload(times), tape.upload(part.patch_image), part.places}};
    }
    if constexpr (Variant::timestep::modulates) detail::put_conditions(tape, rows, in);
    if constexpr (Variant::routing::separate.any())
      in.context.routes = detail::routes_of(tape, rows, in, config_.modality_tokens());
    return in;
  }

  /// Logits of the given hidden rows, on the device. hidden: [R, D]; result: [R, V].
  view<const real, 2> logits(tape<Exec>& tape, view<const scalar, 2> hidden) const {
    return logits(tape, hidden, 0, config_.vocabulary);
  }
  /// The same of the tokens from `first` on only. Result: [R, count].
  view<const real, 2> logits(tape<Exec>& tape, view<const scalar, 2> hidden, token_t first, index_t count) const {
    const auto y = tape.saved_real(hidden.rows(), count);
    exec_->logits(y, hidden, head_.value().slice(first, first + count));
    return y;
  }

  /// The output matrix [V, D].
  parameter<Exec> head() const { return head_; }

  const typename Variant::mask& mask_policy() const { return mask_; }
  const typename Variant::position& position_policy() const { return position_; }
  /// Codec, schedule, time sampling and weighting of one modality.
  template <std::size_t M = 0>
  const auto& modality() const {
    return modality_layers_.template get<M>();
  }
  const typename Variant::schedule& schedule() const { return modality<0>().schedule; }

  /// Calls f(std::integral_constant<std::size_t, m>) for each continuous modality.
  template <class F>
  static constexpr void for_each_modality(F&& f) {
    for_each_number<modality_count>(f);
  }
  /// The same for one of them, whose number is known when the program runs.
  template <class F>
  static constexpr void with_modality(index_t number, F&& f) {
    for_each_modality([&](auto m) {
      if (number == static_cast<index_t>(m)) f(m);
    });
  }

 private:
  struct declared_only {};
  struct noised_images {
    view<real, 1> x_t, target;
  };
  struct mean_shares {
    std::span<const double> text, images;
  };
  template <class M>
  struct layer_of {
    using type = modality_layer<M, Exec>;
  };
  /// What a codec's encoder leaves for its decoder.
  template <class M>
  struct skip_of {
    using type = decltype(std::declval<const typename M::codec::template layer<Exec>&>()
                              .encode(std::declval<tape<Exec>&>(), std::declval<const image_batch<Exec>&>())
                              .skip);
  };
  using skips = typename modalities::template each<skip_of>;
  /// Whether a time sampler gives all images of a document one level.
  template <std::size_t M>
  static constexpr bool shares_level = requires {
    requires modalities::template at<M>::time_sampling::shares_level_in_document;
  };

  using block_parts = block_parts_of<Variant>;
  using trunk = layer::trunk<typename Variant::block, Exec, block_parts>;
  static_assert(
      !Variant::timestep::modulates || layer::takes_parts<typename Variant::block, Exec, block_parts>,
      "timestep::adaln_zero: the variant's block does not modulate; expected block::transformer or one whose layer "
      "takes block_parts");

  template <std::size_t... M>
  static constexpr bool any_continuous(std::index_sequence<M...>) {
    return (!discrete<M> || ...);
  }
  static_assert(Variant::timestep::in_codec || any_continuous(std::make_index_sequence<modality_count>{}),
                "timestep: the variant's items are all codes, which have none; expected timestep::added");

  static_assert(!Variant::routing::separate.rest || Variant::routing::separate.qkv,
                "routing: norms of queries and keys by modality need projections by modality");

  model(declared_only, Exec* exec, config_type config)
      : exec_(exec),
        config_(completed(config)),
        rules_(packing_rules_of(config_)),
        embedding_(parameters_.declare("embedding", {config_.vocabulary, config_.width},
                                       initial_value::normal(initial_deviation))),
        trunk_(parameters_, {.width = config_.width,
                             .heads = config_.heads,
                             .kv_heads = config_.kv_heads,
                             .feed_forward = config_.feed_forward,
                             .layers = config_.layers,
                             .norm_epsilon = config_.norm_epsilon,
                             .dropout = config_.dropout,
                             .routes = 1 + static_cast<index_t>(modality_count),
                             .separate = Variant::routing::separate}),
        head_(Variant::embeddings::one_matrix ? embedding_
                                              : parameters_.declare("head", {config_.vocabulary, config_.width},
                                                                    initial_value::normal(initial_deviation))),
        modality_layers_([&](auto m) { return layer_of_number<m>{made_codec<m>()}; }) {
    if (!Variant::timestep::in_codec) time_.emplace(parameters_, "time.embedding", config_.width, config_.width);
  }

  template <std::size_t M>
  using layer_of_number = modality_layer<typename modalities::template at<M>, Exec>;

  /// A codec whose layer takes a fifth argument is told whether it has to tell the noise level.
  template <std::size_t M>
  auto made_codec() {
    using codec = typename modalities::template at<M>::codec::template layer<Exec>;
    const auto& options = config_.template codec_options<M>();
    if constexpr (std::constructible_from<codec, parameter_set<Exec>&, std::string, decltype(options), index_t, bool>)
      return codec(parameters_, codec_name(M), options, config_.width, Variant::timestep::in_codec);
    else
      return codec(parameters_, codec_name(M), options, config_.width);
  }

  static packing_rules packing_rules_of(const config_type& c) {
    const auto tokens = c.modality_tokens();
    packing_rules rules{c.markers.bos, c.markers.eos, {tokens.begin(), tokens.end()}};
    rules.clean_copies = mask::clean_copies<typename Variant::mask>;
    rules.prefix_both_ways = mask::prefix_both_ways<typename Variant::mask>;
    rules.lead_rows = Variant::timestep::lead_rows;
    return rules;
  }

  /// Attention's part of the inputs: lowered key intervals and rotations.
  attention_context<Exec> attention_inputs(tape<Exec>& tape, const pass_rows& rows) const {
    const auto count = static_cast<index_t>(rows.tokens.size());
    const auto rotation = tape.saved_real(count, config_.width / config_.heads);
    exec_->rope_table(rotation, {tape.upload(rows.positions).data, count, position_axes}, config_.rope_theta);
    attention_context<Exec> context;
    context.keys = key_intervals(tape.upload(rows.keys).data, count, intervals_per_row);
    context.rotation = rotation;
    return context;
  }

  /// x_t = a·x0 + b·ε and the target p·x0 + q·ε of every image. Noise is added before patches are cut (paper §3).
  noised_images add_noise(tape<Exec>& tape, const packed_batch& batch, const noise_plan& plan,
                          view<const image_place, 1> places) const {
    const index_t count = static_cast<index_t>(batch.values.size());
    auto host = tape.template list<real>(count);
    for (float v : batch.values) host.push_back(static_cast<real>(v));
    auto mixing = tape.template list<real>(2 * batch.image_count());
    auto aiming = tape.template list<real>(2 * batch.image_count());
    for (const span& s : batch.table.spans()) {
      const noise_level& level = plan.levels[static_cast<std::size_t>(s.image)];
      const coefficients target = target_of(s, level);
      for (double c : std::initializer_list<double>{level.signal, level.noise}) mixing.push_back(static_cast<real>(c));
      for (double c : std::initializer_list<double>{target.data, target.noise}) aiming.push_back(static_cast<real>(c));
    }
    const auto clean = tape.upload(host);
    const auto noise = tape.saved_real(count), x_t = tape.saved_real(count), target = tape.saved_real(count);
    exec_->normal(noise, plan.key, 1.0, plan.first_value);
    const auto as_rows = [](view<const real, 1> v) { return view<const real, 2>(v.data, v.size() / 2, 2); };
    exec_->mix(x_t, clean, noise, as_rows(tape.upload(mixing)), places);
    exec_->mix(target, clean, noise, as_rows(tape.upload(aiming)), places);
    return {x_t, target};
  }

  /// What the model is asked to predict of an image at a level.
  coefficients target_of(const span& s, const noise_level& level) const {
    coefficients found;
    with_modality(s.modality,
                  [&](auto m) { found = modalities::template at<m>::target::of(level.signal, level.noise); });
    return found;
  }
  double weight_of(const span& s, const noise_level& level) const {
    double found = 0;
    with_modality(s.modality, [&](auto m) {
      found = modality<m>().weighting(level, modalities::template at<m>::target::of(level.signal, level.noise));
    });
    return found;
  }

  mean_shares shares_of(tape<Exec>& tape, const packed_batch& batch, const step_share& share) const {
    step_counts all = share.all;
    if (all == step_counts{}) all.add(batch);
    auto text = tape.template list<double>(batch.text_targets());
    transfusion::loss::text_shares(batch, all, config_.text_mean, text);
    auto images = tape.template list<double>(batch.image_count());
    transfusion::loss::image_shares(batch, all, config_.image_mean, config_.modality_weights(), images);
    return {text, images};
  }

  Exec* exec_;
  config_type config_;
  packing_rules rules_;
  parameter_set<Exec> parameters_;
  parameter<Exec> embedding_;
  trunk trunk_;
  parameter<Exec> head_;
  typename modalities::template each<layer_of> modality_layers_;
  std::optional<layer::timestep_mlp<Exec>> time_;  ///< where it is not the codecs that tell the noise level
  [[no_unique_address]] typename Variant::mask mask_;
  [[no_unique_address]] typename Variant::position position_;
};

}  // namespace transfusion
