// SPDX-License-Identifier: Apache-2.0
// The policies of docs/policies.md, compiled and used. tests/docs/snippets_test.cpp compares the text.
#define BOOST_TEST_MODULE docs_policies
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "transfusion/chameleon.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/train.hpp"

// snippet: mask
namespace tf = transfusion;

/// Every row sees the 128 rows before it, and all of its own image.
struct window {
  tf::key_interval keys(tf::index_t q, const tf::span_table& table) const {
    return tf::key_interval::of(std::max(table.document_begin(q), table.span_begin(q) - 128), table.span_end(q));
  }
};
// end of snippet

// snippet: mask with a hole
/// The same, and the first four rows of the document as well.
struct window_and_sink {
  tf::two_key_intervals keys(tf::index_t q, const tf::span_table& table) const {
    const tf::index_t begin = table.document_begin(q), seen = std::max(begin, table.span_begin(q) - 128);
    return {tf::key_interval::of(begin, std::min(begin + 4, seen)), tf::key_interval::of(seen, table.span_end(q))};
  }
};
// end of snippet

// snippet: codec
/// Linear patches whose decoder sees the encoder's rows too, as a U-Net's does.
struct skip_patch {
  using options = tf::codec::linear_patch::options;
  static tf::patch_grid grid(tf::image_shape shape, const options& o) {
    return tf::codec::linear_patch::grid(shape, o);
  }

  template <class Exec>
  struct layer {
    tf::codec::linear_patch::layer<Exec> patches;
    tf::layer::linear<Exec> across;

    layer(tf::parameter_set<Exec>& set, const std::string& name, const options& o, tf::index_t width)
        : patches(set, name, o, width), across(set, name + ".across", width, width, tf::bias::off) {}

    tf::encoded_images<Exec, tf::var<Exec>> encode(tf::tape<Exec>& tape, const tf::image_batch<Exec>& x) const {
      const auto tokens = patches.encode(tape, x).tokens;
      return {tokens, tokens};  // what the trunk gets, and what the decoder gets beside it
    }
    tf::var<Exec> decode(tf::tape<Exec>& tape, tf::var<Exec> hidden, tf::var<Exec> skip,
                         const tf::image_batch<Exec>& x) const {
      return patches.decode(tape, tf::add(tape, hidden, across(tape, skip)), {}, x);
    }
  };
};
// end of snippet

// snippet: codes
/// Pictures in [-1, 1] as codes of eight levels of grey: the least that can stand where a VQ-VAE does.
struct levels_of_grey {
  tf::image encode(tf::image x) const {
    for (float& v : x.values) v = std::round((v + 1) / 2 * 7);
    return x;
  }
  tf::image decode(tf::image codes) const {
    for (float& v : codes.values) v = v / 7 * 2 - 1;
    return codes;
  }
};

/// 100 words and markers, then a token for each code.
inline tf::model_config<tf::chameleon> with_grey_codes() {
  return {.layers = 2, .width = 64, .heads = 4, .vocabulary = 108, .codec = {.first = 100, .size = 8}};
}
// end of snippet

// snippet: outer coder
/// Pictures of half the size stand for pictures: the mean of 2 × 2 pixels on the way in, repeated on the way out.
struct halved {
  tf::image encode(const tf::image& x) const {
    tf::image half{{1, x.shape.height / 2, x.shape.width / 2}, {}};
    for (tf::index_t i = 0; i < half.shape.size(); ++i) {
      const tf::index_t at = i / half.shape.width * 2 * x.shape.width + i % half.shape.width * 2;
      float sum = 0;
      for (const tf::index_t step : {tf::index_t{0}, tf::index_t{1}, x.shape.width, x.shape.width + 1})
        sum += x.values[static_cast<std::size_t>(at + step)] / 4;
      half.values.push_back(sum);
    }
    return half;
  }
  tf::image decode(const tf::image& half) const {
    tf::image x{{1, 2 * half.shape.height, 2 * half.shape.width}, {}};
    for (tf::index_t i = 0; i < x.shape.size(); ++i)
      x.values.push_back(
          half.values[static_cast<std::size_t>(i / x.shape.width / 2 * half.shape.width + i % x.shape.width / 2)]);
    return x;
  }
};
// end of snippet

// snippet: schedule
/// The signal's power falls in a straight line: ᾱ(t) = 1 − 0.999·t.
struct straight_power {
  static double signal(double t) { return std::sqrt(1 - 0.999 * t); }
  static double noise(double t) { return std::sqrt(0.999 * t); }
};
// end of snippet

// snippet: target
/// b·ε, the noise as it stands in x_t: x0 = (x_t − y)/a.
struct residual {
  static constexpr tf::coefficients of(double /*a*/, double b) { return {.data = 0, .noise = b}; }
};
// end of snippet

// snippet: time sampling
/// High noise more often: t has the density 2t.
struct rising {
  double operator()(double u, bool /*image_first*/) const { return std::sqrt(u); }
};
// end of snippet

// snippet: weighting
/// An image counts as much as is left of it.
struct by_signal {
  double operator()(tf::noise_level level, tf::coefficients /*target*/) const { return level.signal; }
};
// end of snippet

// snippet: solver
/// Forgets x_t: puts fresh noise of the next level on x̂0 (Song et al. 2023, algorithm 1).
struct afresh {
  static tf::solver_step step(const tf::noise_level& /*now*/, const tf::noise_level& next) {
    return {.on_x = 0, .on_data = next.signal, .fresh_noise = next.noise};
  }
};
// end of snippet

// snippet: free solver
/// Walks as Euler's method does, with the mean of the last two x̂0 (a damped first-order step).
struct damped {
  void operator()(tf::solver_run& run, const std::vector<double>& times) const {
    const tf::field x = run.x, data = run.make(), before = run.make();
    for (std::size_t k = 0; k + 1 < times.size(); ++k) {
      const auto now = run.level(times[k]), next = run.level(times[k + 1]);
      const auto step = tf::solver::euler::step(now, next);
      const double share = k == 0 ? 0 : 0.5;
      run.repeat([&] {
        run.predict(data, x, now);
        run.combine(x, {{step.on_x, x}, {step.on_data * (1 - share), data}, {step.on_data * share, before}});
        run.combine(before, {{1, data}});
      });
      run.reached(next);
    }
  }
};
// end of snippet

// snippet: guidance and editing
/// Text and images with scales of their own, at middle times only, the deviation brought halfway back.
tf::generation_options guided_apart() {
  tf::generation_options o{.max_tokens = 0, .image = {1, 4, 4}, .image_steps = 4, .guidance = 5};
  o.image_guidance = 1.5;
  o.guidance_low = 0.2;
  o.guidance_high = 0.9;
  o.guidance_rescale = 0.5;
  return o;
}

/// Draws a picture's lower half anew, beginning at time 0.6; the upper half stays to the bit.
tf::generation_request lower_half_anew(tf::document prompt, const tf::image& given) {
  tf::image_edit edit{.given = given, .from_time = 0.6};
  edit.keep.assign(given.values.size(), 0);
  std::fill_n(edit.keep.begin(), given.values.size() / 2, 1);
  return {.prompt = std::move(prompt), .begin_image = true, .edit = edit};
}
// end of snippet

// snippet: more modalities
/// Sounds flow straight from noise to signal.
struct sounds : tf::paper {
  using schedule = tf::schedule::rectified_flow;
  using target = tf::target::velocity;
  using solver = tf::solver::heun;
};
struct pictures_and_sounds : tf::paper {
  using other_modalities = tf::modality_list<sounds>;
};

tf::model_config<pictures_and_sounds> with_sounds() {
  tf::model_config<pictures_and_sounds> config{.layers = 2, .width = 32, .heads = 2, .vocabulary = 9};
  auto& sound = config.modality<1>();
  sound.codec.patch = 8;  // samples in a row
  sound.codec.patch_height = 1;
  sound.begin = 7;
  sound.end = 8;
  sound.loss_weight = 0.5;
  return config;
}
// end of snippet

// snippet: parts of the block
/// The block that kept Chameleon 34B stable (Chameleon 2024, §2.3).
struct chameleons_block : tf::paper {
  using norm_place = tf::norm_place::swin;
  using qk_norm = tf::qk_norm::on;
  using loss = tf::loss::weighted_sum<tf::loss::next_token, tf::loss::z_loss, tf::loss::denoising>;
};
// end of snippet

// snippet: freezing
/// LMFusion's training: the text side stays as it was, the image side learns.
template <class Model>
void freeze_text(Model& model) {
  model.parameters().freeze("embedding", "head", "blocks.", "final_norm");
}
// end of snippet

// snippet: loss
/// The next-token loss with 1e-4·log² Z beside it (Chowdhery et al. 2022, §5).
struct next_token_with_z {
  static constexpr std::string_view name = "text";
  static constexpr double default_weight = 1;

  template <class Exec>
  static tf::loss::term_values<Exec> evaluate(tf::loss::context<Exec>& c, double weight) {
    using real = typename Exec::real;
    if (c.text_rows.size() == 0) return {};
    std::vector<real> weights;
    for (double share : c.text_shares) weights.push_back(static_cast<real>(weight * share));
    const auto rows = tf::gather_rows(c.tape, c.hidden, c.text_rows);
    const auto losses = tf::head_cross_entropy(c.tape, rows, c.head, c.targets, c.tape.upload(weights), 1e-4);
    return {losses.cross_entropy, c.text_shares};
  }
};
// end of snippet

// snippet: block
/// Attention and feed-forward side by side behind one norm (Wang & Komatsuzaki 2021).
struct parallel {
  template <class Exec>
  struct layer {
    tf::layer::norm<Exec> norm;
    tf::layer::attention<Exec> attention;
    tf::layer::feed_forward<Exec> feed_forward;

    layer(tf::parameter_set<Exec>& set, const std::string& name, const tf::block_shape& s)
        : norm(set, name + ".norm", s.width, s.norm_epsilon),
          attention(set, name + ".attention", s.width, s.heads, s.kv_heads, tf::initial_deviation),
          feed_forward(set, name + ".feed_forward", s.width, s.feed_forward, tf::initial_deviation) {}

    void operator()(tf::tape<Exec>& tape, tf::residual_stream<Exec>& x, const tf::attention_context<Exec>& context,
                    tf::index_t number) const {
      const auto normed = norm(tape, x);  // folds the branch before into the residual
      x.branch = tf::add(tape, attention(tape, normed, context, number), feed_forward(tape, normed));
    }
  };
};
// end of snippet

// snippet: position
/// All patches of an image share the position of its first one.
struct shared_in_image {
  tf::index_t at(tf::index_t q, const tf::span_table& table) const {
    return table.span_begin(q) - table.document_begin(q);
  }
};
// end of snippet

// snippet: execution
/// The CPU policy, counting its products.
struct counting_exec : tf::cpu_exec<float> {
  tf::index_t products = 0;

  void linear(matrix y, const_matrix x, const_matrix w, const_vector b) {
    ++products;
    cpu_exec::linear(y, x, w, b);
  }
};
// end of snippet

// snippet: variant
struct mine : tf::paper {
  using mask = window;
  using codec = skip_patch;
  using schedule = straight_power;
  using target = residual;
  using time_sampling = rising;
  using weighting = by_signal;
  using solver = afresh;
  using loss = tf::loss::weighted_sum<next_token_with_z, tf::loss::denoising>;
  using block = parallel;
  using position = shared_in_image;
};
// end of snippet

namespace {

tf::document pair() { return {tf::text{{4, 5}}, tf::image{{1, 4, 4}, std::vector<float>(16, 0.5f)}, tf::text{{6}}}; }

/// One document: 200 rows of text, an image on rows 200 to 203, three rows of text.
tf::span_table table() {
  tf::span_table t;
  t.begin_document();
  t.append_text(200);
  t.append_span(2, 2, 0, false);
  t.append_text(3);
  return t;
}

constexpr tf::noise_level middle{.time = 0.5, .signal = 0.8, .noise = 0.6};

}  // namespace

BOOST_AUTO_TEST_CASE(masks_see_what_they_say) {
  const tf::span_table t = table();
  BOOST_TEST((window{}.keys(10, t) == tf::key_interval{0, 11}));
  BOOST_TEST((window{}.keys(150, t) == tf::key_interval{22, 151}));
  BOOST_TEST((window{}.keys(202, t) == tf::key_interval{72, 204}));
  BOOST_TEST((window_and_sink{}.keys(202, t).first == tf::key_interval{0, 4}));
  BOOST_TEST((window_and_sink{}.keys(202, t).second == tf::key_interval{72, 204}));
  for (tf::index_t q = 0; q < t.rows(); ++q)
    BOOST_TEST(window_and_sink{}.keys(q, t).first.end <= window_and_sink{}.keys(q, t).second.begin);
}

BOOST_AUTO_TEST_CASE(scalars_are_what_they_say) {
  const auto level = tf::level_at(straight_power{}, 0.7);
  BOOST_TEST(std::abs(level.signal * level.signal + level.noise * level.noise - 1) < 1e-12);
  const auto back = tf::recover_data(middle, residual::of(middle.signal, middle.noise));
  BOOST_TEST(std::abs(back.on_x - 1 / middle.signal) < 1e-12);
  BOOST_TEST(std::abs(back.on_y + 1 / middle.signal) < 1e-12);
  BOOST_TEST(rising{}(0.25, false) == 0.5);
  BOOST_TEST(by_signal{}(middle, {}) == 0.8);
  BOOST_TEST(afresh::step(middle, {.time = 0.25, .signal = 0.96, .noise = 0.28}).fresh_noise == 0.28);
  BOOST_TEST(shared_in_image{}.at(203, table()) == 200);
  BOOST_TEST(shared_in_image{}.at(204, table()) == 204);
}

// All of them in one variant, on an execution policy of its own: it trains, and it generates.
BOOST_AUTO_TEST_CASE(a_variant_of_nothing_but_own_policies) {
  counting_exec exec;
  tf::model_config<mine> config{.layers = 2, .width = 32, .heads = 2, .vocabulary = 7};
  tf::model<mine, counting_exec> model(exec, config, 1);
  tf::trainer trainer(model, {.steps = 40, .peak_rate = 3e-3, .warmup = 4, .quiet = true});
  const auto first = trainer.step({pair()});
  for (int i = 1; i < 39; ++i) trainer.step({pair()});
  const auto last = trainer.step({pair()});
  BOOST_TEST(last.losses[0] < 0.5 * first.losses[0]);
  BOOST_TEST(last.losses[1] < 0.7 * first.losses[1]);

  tf::generator generate(model, {.max_tokens = 0, .image = {1, 4, 4}, .image_steps = 4});
  const auto drawn = generate({{.prompt = {tf::text{{4, 5}}}, .begin_image = true}});
  for (float v : std::get<tf::image>(drawn[0].content.segments.back()).values) BOOST_TEST(std::abs(v) <= 1);

  const auto batch = model.pack({pair()});
  tf::tape<counting_exec> tape(exec, tf::recording::off);
  exec.products = 0;
  model.loss(tape, batch, model.clean(batch));
  BOOST_TEST(exec.products == 2 * 7 + 5);  // two blocks; the codec's in, out, across and two of the time
}

BOOST_AUTO_TEST_CASE(two_intervals_run_too) {
  struct holed : tf::paper {
    using mask = window_and_sink;
  };
  tf::cpu_exec<float> exec;
  tf::model<holed, tf::cpu_exec<float>> model(exec, {.layers = 1, .width = 16, .heads = 2, .vocabulary = 7}, 1);
  tf::tape<tf::cpu_exec<float>> tape(exec);
  model.parameters().allocate_gradients();
  const auto batch = model.pack({pair()});
  const auto losses = model.loss(tape, batch, model.plan_noise(batch, {1, 0, tf::stream::noise}));
  tape.backward();
  BOOST_TEST(std::abs(losses.mean(exec, 0) - std::log(7)) < 0.1);
}

BOOST_AUTO_TEST_CASE(a_second_modality_trains_and_is_drawn) {
  tf::cpu_exec<float> exec;
  tf::model<pictures_and_sounds, tf::cpu_exec<float>> model(exec, with_sounds(), 1);
  tf::trainer trainer(model, {.steps = 2, .warmup = 0, .quiet = true});
  tf::document both = pair();
  both.segments.emplace_back(tf::image{{1, 1, 16}, std::vector<float>(16, 0.25f), 1});
  BOOST_TEST(trainer.step({both}).images == 2);
  tf::generator generate(model, {.max_tokens = 0, .image_steps = 4, .others = {{{1, 1, 16}, 4}}});
  const auto drawn = generate({{.prompt = {tf::text{{4, 5}}}, .begin_image = true, .begin_modality = 1}});
  BOOST_TEST(std::get<tf::image>(drawn[0].content.segments.back()).modality == 1);
}

BOOST_AUTO_TEST_CASE(latents_guidance_and_edits) {
  static_assert(tf::codec::outer_coder<halved>);
  const tf::image picture{{1, 4, 4}, {1, 1, 0, 0, 1, 1, 0, 0, 2, 2, 4, 4, 2, 2, 4, 4}};
  BOOST_TEST(halved{}.encode(picture).values == (std::vector<float>{1, 0, 2, 4}));
  BOOST_TEST(halved{}.decode(halved{}.encode(picture)).values == picture.values);
  const auto latents = tf::codec::encoded({tf::document{tf::text{{4}}, picture}}, halved{});
  BOOST_TEST(std::get<tf::image>(latents[0].segments[1]).shape.width == 2);

  tf::cpu_exec<float> exec;
  tf::model<tf::paper, tf::cpu_exec<float>> model(exec, {.layers = 1, .width = 16, .heads = 2, .vocabulary = 7}, 1);
  tf::generator generate(model, guided_apart());
  const auto drawn = generate({lower_half_anew({tf::text{{4, 5}}}, picture)});
  const auto& values = std::get<tf::image>(drawn[0].content.segments.back()).values;
  for (std::size_t i = 0; i < 8; ++i) BOOST_TEST(values[i] == picture.values[i]);
  for (std::size_t i = 8; i < 16; ++i) BOOST_TEST(std::abs(values[i]) <= 1);
}

BOOST_AUTO_TEST_CASE(the_baseline_draws_codes) {
  static_assert(tf::codec::outer_coder<levels_of_grey>);
  tf::cpu_exec<float> exec;
  tf::model<tf::chameleon, tf::cpu_exec<float>> model(exec, with_grey_codes(), 1);
  const tf::document document{tf::text{{4, 5}}, tf::image{{1, 1, 4}, {-1, -0.15f, 0.42f, 1}}};
  const auto codes = tf::codec::encoded({document}, levels_of_grey{});
  BOOST_TEST(std::get<tf::image>(codes[0].segments[1]).values == (std::vector<float>{0, 3, 5, 7}));
  tf::trainer trainer(model, {.steps = 2, .peak_rate = tf::chameleon_peak_rate, .warmup = 0, .quiet = true});
  BOOST_TEST(trainer.step(codes).gradient_norm > 0);
  tf::generator generate(model, {.max_tokens = 0, .image = {1, 1, 4}});
  const auto drawn = generate({{.prompt = {tf::text{{4, 5}}}, .begin_image = true}});
  const auto seen = tf::codec::decoded(drawn[0].content, levels_of_grey{});
  const auto& values = std::get<tf::image>(seen.segments.back()).values;
  BOOST_TEST(values.size() == 4u);
  for (float v : values) BOOST_TEST(std::abs(std::round((v + 1) / 2 * 7) / 7 * 2 - 1 - v) < 1e-6f);
}

BOOST_AUTO_TEST_CASE(solvers_blocks_and_frozen_sides_of_ones_own) {
  struct with_damped : tf::paper {
    using solver = damped;
    using routing = tf::routing::all;
  };
  tf::cpu_exec<float> exec;
  tf::model<with_damped, tf::cpu_exec<float>> model(exec, {.layers = 1, .width = 16, .heads = 2, .vocabulary = 7}, 1);
  freeze_text(model);
  tf::trainer trainer(model, {.steps = 1, .warmup = 0, .quiet = true});
  BOOST_TEST(trainer.step({pair()}).gradient_norm > 0);
  tf::generator generate(model, {.max_tokens = 0, .image = {1, 4, 4}, .image_steps = 4});
  const auto drawn = generate({{.prompt = {tf::text{{4, 5}}}, .begin_image = true}});
  for (float v : std::get<tf::image>(drawn[0].content.segments.back()).values) BOOST_TEST(std::abs(v) <= 1);

  tf::model<chameleons_block, tf::cpu_exec<float>> stable(exec, {.layers = 1, .width = 16, .heads = 2, .vocabulary = 7},
                                                          1);
  BOOST_TEST(stable.config().loss_weights[1] == 1e-5);
}
