// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE generate_codes
#include <boost/test/unit_test.hpp>
#include <set>
#include <tuple>

#include "generate/small_generator.hpp"
#include "support/policies.hpp"
#include "support/temporary_folder.hpp"
#include "transfusion/chameleon.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/generate/text_sampling.hpp"
#include "transfusion/io/model_file.hpp"
#include "transfusion/mask/noised_hidden.hpp"
#include "transfusion/metric/likelihood.hpp"
#include "transfusion/train.hpp"

using namespace generate_test;

namespace {

inline constexpr tf::token_t first_code = 10;
inline constexpr tf::index_t code_count = 5;

tf::model_config<tf::chameleon> code_sizes() {
  tf::model_config<tf::chameleon> c{.layers = 2, .width = 16, .heads = 2, .vocabulary = 16};
  c.codec = {.first = first_code, .size = code_count};
  return c;
}

template <class Exec>
struct code_model {
  Exec exec;
  tf::model<tf::chameleon, Exec> model{exec, code_sizes(), 1};
  explicit code_model(std::uint64_t seed) { stir(model, seed, 0.5); }
};

/// 2 × 3 codes that their number determines.
tf::image code_image(int kind) {
  tf::image im{{1, 2, 3}, {}};
  for (int i = 0; i < 6; ++i) im.values.push_back(static_cast<float>((kind * 2 + i * (kind + 1)) % code_count));
  return im;
}

tf::generation_options drawing(tf::index_t max_tokens, tf::index_t max_images) {
  tf::generation_options o;
  o.max_tokens = max_tokens;
  o.max_images = max_images;
  o.image = {1, 2, 3};
  o.guidance = 1;
  return o;
}

std::vector<tf::generation_request> code_requests() {
  return {{prompt({tf::text{{5, 6}}}), true, 1},
          {prompt({}), true, 2},
          {prompt({tf::text{{7}}, code_image(2), tf::text{{8, 4}}}), true, 3},
          {prompt({code_image(1)}), true, 4}};
}

/// Logits of the codes after a document, by a pass over all of it. Codes may stand in its text, as in half an item.
template <class Model>
std::vector<double> logits_after(Model& model, tf::document d) {
  using exec = typename Model::exec_type;
  d.open_ended = true;
  for (tf::segment& s : d.segments)
    if (auto* im = std::get_if<tf::image>(&s)) im->context = true;
  const auto grid = [&](tf::image_shape shape, tf::index_t modality) { return model.grid(shape, modality); };
  const auto batch = tf::pack({d}, model.rules(), grid);
  tf::tape<exec> tape(model.exec(), tf::recording::off);
  const auto values = tape.upload(std::vector<typename Model::real>(batch.values.begin(), batch.values.end()));
  const auto out = model.forward(tape, model.inputs(tape, batch, values, Model::clean(batch)));
  const auto last = out.hidden.value().slice(batch.rows() - 1, batch.rows());
  const auto all =
      host_copy<typename Model::real>(model.exec(), model.logits(tape, last, first_code, code_count).flat());
  return {all.begin(), all.end()};
}

/// The same under guidance, after an item that is begun.
template <class Model>
std::vector<double> guided_logits(Model& model, const tf::generation_options& o, const tf::document& before,
                                  const tf::text& item) {
  const auto after = [&](tf::document d) {
    d.segments.emplace_back(item);
    return logits_after(model, std::move(d));
  };
  auto y = after(before);
  if (o.guidance == 1 && !o.image_guidance) return y;
  const auto whole = y, none = after({});
  const auto some = o.image_guidance ? after(tf::without_text(before)) : none;
  for (std::size_t i = 0; i < y.size(); ++i)
    y[i] = none[i] + o.image_guidance.value_or(1) * (some[i] - none[i]) + o.guidance * (whole[i] - some[i]);
  return y;
}

/// The codes of item `number`, one by one, each drawn after a pass over everything before it: in the packing of
/// training.
template <class Model>
std::vector<float> plain_codes(Model& model, const tf::generation_options& o, const tf::document& before,
                               tf::token_t begin = boi, std::uint64_t seed = 0, std::uint32_t number = 0) {
  tf::text item{{begin}};
  std::vector<float> codes;
  for (std::uint64_t n = 0; n < 6; ++n) {
    const double u = tf::random_key{seed, number, tf::stream::code_sampling}.uniform(n);
    const auto drawn = tf::sample_token(guided_logits(model, o, before, item), o.codes, u);
    codes.push_back(static_cast<float>(drawn));
    item.tokens.push_back(first_code + drawn);
  }
  return codes;
}

/// An image of the paper's, with items of codes beside it.
struct code_item : tf::paper {
  using codec = tf::codec::codes;
};
struct both_kinds : tf::paper {
  using other_modalities = tf::modality_list<code_item>;
};
/// With a row for the time, weights of each kind's own and clean copies.
struct both_kinds_apart : both_kinds {
  using timestep = tf::timestep::token;
  using routing = tf::routing::all;
  using mask = tf::mask::noised_hidden;
};
inline constexpr tf::token_t begin_codes = 4, end_codes = 9;

template <class Variant>
tf::model_config<Variant> both_sizes() {
  tf::model_config<Variant> c{.layers = 2, .width = 16, .heads = 2, .vocabulary = 16};
  auto& m = c.template modality<1>();
  m.codec = {.first = first_code, .size = code_count};
  m.begin = begin_codes;
  m.end = end_codes;
  return c;
}

tf::image second_modality(tf::image im) {
  im.modality = 1;
  return im;
}

}  // namespace

BOOST_AUTO_TEST_CASE(codes_are_rows_and_targets_like_words) {
  code_model<tf::reference_exec<double>> f(1);
  tf::image read = code_image(1);
  read.context = true;
  const auto batch = f.model.pack({{tf::text{{5}}, code_image(0), tf::text{{6}}}, {read, tf::text{{7}}}});
  const std::vector<tf::token_t> tokens{bos, 5,   boi, 10, 11, 12, 13, 14, 10,  eoi, 6,  eos,  //
                                        bos, boi, 12,  14, 11, 13, 10, 12, eoi, 7,   eos};
  const tf::token_t no = tf::ignored;
  const std::vector<tf::token_t> targets{5,   boi, 10, 11, 12, 13, 14, 10, no, 6,   eos, no,  //
                                         boi, no,  no, no, no, no, no, no, 7,  eos, no};
  BOOST_TEST(batch.tokens == tokens, boost::test_tools::per_element());
  BOOST_TEST(batch.targets == targets, boost::test_tools::per_element());
  BOOST_TEST(batch.image_count() == 0);
  BOOST_TEST(batch.values.empty());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(cached_codes_equal_uncached_ones_guided_or_not, Exec, policies) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    code_model<Exec> f(seed);
    auto o = drawing(0, 1);
    o.codes.temperature = 0;
    for (int guided = 0; guided < 3; ++guided) {
      o.guidance = guided == 0 ? 1 : 2.5;
      if (guided == 2) o.image_guidance = 1.5;
      const auto requests = code_requests();
      const auto found = tf::generator(f.model, o)(requests);
      for (std::size_t i = 0; i < requests.size(); ++i) {
        const auto expected = plain_codes(f.model, o, requests[i].prompt);
        BOOST_TEST(images(found[i].content).back() == expected, boost::test_tools::per_element());
        BOOST_TEST((found[i].reason == tf::finish_reason::image_limit));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_batch_draws_what_each_draws_alone_and_text_has_no_codes, Exec, policies) {
  int went_on = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    code_model<Exec> f(seed);
    auto o = drawing(8, 2);
    o.text.temperature = 1;
    o.guidance = 2;
    const auto requests = code_requests();
    const auto together = tf::generator(f.model, o)(requests);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const tf::document& d = together[i].content;
      BOOST_TEST(same(d, tf::generator(f.model, o)({requests[i]})[0].content));
      for (tf::token_t t : words(d)) BOOST_TEST(t < first_code);
      for (const auto& codes : images(d)) {
        BOOST_TEST(codes.size() == 6u);
        for (float c : codes) BOOST_TEST((c >= 0 && c < code_count && c == std::floor(c)));
      }
      went_on += form(d).ends_with("it");
    }
  }
  BOOST_TEST(went_on > 0);  // text after an item, over its last code and its end token
}

BOOST_AUTO_TEST_CASE(codes_are_sampled_by_their_own_options_and_numbers) {
  code_model<tf::cpu_exec<double>> f(5);
  auto o = drawing(8, 2);
  o.text.temperature = 3;
  o.codes = {.temperature = 0.7, .top_k = 4, .top_p = 0.95};
  o.guidance = 2;
  int items = 0, second = 0;
  std::set<std::vector<float>> drawn;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const tf::document d = tf::generator(f.model, o)({{prompt({tf::text{{5, 6}}}), true, seed}})[0].content;
    std::uint32_t number = 0;
    tf::document before;
    for (const tf::segment& s : d.segments) {
      if (const auto* im = std::get_if<tf::image>(&s)) {
        BOOST_TEST(im->values == plain_codes(f.model, o, before, boi, seed, number), boost::test_tools::per_element());
        drawn.insert(im->values);
        second += number > 0;
        ++number;
        ++items;
      }
      before.segments.push_back(s);
    }
  }
  BOOST_TEST(second > 0);
  BOOST_TEST(drawn.size() > static_cast<std::size_t>(items / 2));  // other seeds, other codes
}

using kinds_of_both = std::tuple<both_kinds, both_kinds_apart>;
BOOST_AUTO_TEST_CASE_TEMPLATE(continuous_items_and_codes_in_one_document, Variant, kinds_of_both) {
  using exec = tf::reference_exec<double>;
  int items = 0, later = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    exec e;
    tf::model<Variant, exec> model(e, both_sizes<Variant>(), 1);
    stir(model, seed, 0.5);
    auto o = drawing(10, 3);
    o.image = {1, 4, 4};
    o.image_steps = 3;
    o.others = {{.shape = {1, 2, 3}}};
    o.text.temperature = 3;
    o.codes.temperature = 0;
    o.guidance = 2.5;
    o.image_guidance = 1.5;
    const std::vector<tf::generation_request> requests{
        {prompt({tf::text{{6, 7}}}), true, 1, 1},
        {prompt({toy_image(1), tf::text{{8}}, second_modality(code_image(2)), tf::text{{5}}}), true, 3, 1},
        {prompt({second_modality(code_image(1))}), false, 4}};
    const auto found = tf::generator(model, o)(requests);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      BOOST_TEST(same(found[i].content, tf::generator(model, o)({requests[i]})[0].content));
      tf::document before;
      std::uint32_t number = 0;
      for (const tf::segment& s : found[i].content.segments) {
        const auto* im = std::get_if<tf::image>(&s);
        const bool own = std::ssize(before.segments) >= found[i].prompt_segments;
        if (im && own) {
          if (im->modality == 1) {
            BOOST_TEST(im->values == plain_codes(model, o, before, begin_codes), boost::test_tools::per_element());
            ++items;
            later += number > 0;
          }
          ++number;
        }
        before.segments.push_back(s);
      }
    }
  }
  BOOST_TEST(items > 8);
  BOOST_TEST(later > 0);
}

BOOST_AUTO_TEST_CASE(codes_take_the_weights_of_their_modality) {
  using exec = tf::reference_exec<double>;
  exec e;
  tf::model<both_kinds_apart, exec> model(e, both_sizes<both_kinds_apart>(), 1);
  stir(model, 1, 0.5);
  model.parameters().allocate_gradients();
  tf::tape<exec> tape(e);
  const auto batch = model.pack({{tf::text{{6}}, second_modality(code_image(1)), tf::text{{7}}}});
  BOOST_TEST(batch.code_images == 1);
  model.loss(tape, batch, model.plan_noise(batch, {1, 0, tf::stream::noise}));
  tape.backward();
  double codes = 0, patches = 0;
  model.parameters().each([&](auto p) {
    for (const double g : host_copy<double>(e, tf::view<const double, 1>(p.flat_gradient().data, p.size()))) {
      if (p.name().find("modality1.") == 0) codes += g * g;
      if (p.name().find("modality0.") == 0) patches += g * g;
    }
  });
  BOOST_TEST(codes > 0);
  BOOST_TEST(patches == 0);  // there is no patch
}

BOOST_AUTO_TEST_CASE(what_follows_an_item_of_codes_equals_a_pass_over_all) {
  using exec = tf::cpu_exec<double>;
  int checked = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    code_model<exec> f(seed);
    auto o = drawing(3, 1);
    o.codes.temperature = 0;
    const auto d = tf::generator(f.model, o)({{prompt({tf::text{{5, 6}}}), true, 1}})[0].content;
    if (form(d) != "tit") continue;
    tf::document before;
    before.segments = {d.segments[0], d.segments[1]};
    before.open_ended = true;
    const auto batch = f.model.pack({before});
    tf::tape<exec> tape(f.exec, tf::recording::off);
    const auto out = f.model.forward(tape, f.model.inputs(tape, batch, {}, f.model.clean(batch)));
    auto logits = host_copy<double>(
        f.exec, f.model.logits(tape, out.hidden.value().slice(batch.rows() - 1, batch.rows())).flat());
    for (tf::token_t never : {bos, boi, eoi}) logits[static_cast<std::size_t>(never)] = -INFINITY;
    const auto best = std::max_element(logits.begin(), logits.begin() + first_code) - logits.begin();
    BOOST_TEST(std::get<tf::text>(d.segments[2]).tokens[0] == best);
    ++checked;
  }
  BOOST_TEST(checked > 0);
}

BOOST_AUTO_TEST_CASE(learns_codes_from_captions_and_captions_from_codes) {
  using exec = tf::cpu_exec<float>;
  exec e(1);
  tf::model<tf::chameleon, exec> model(e, code_sizes(), 3);
  const auto documents = [](tf::index_t step) {
    std::vector<tf::document> all;
    for (int k = 0; k < 4; ++k) {
      if ((step + k) % 2)
        all.push_back({toy_caption(k), code_image(k)});
      else
        all.push_back({code_image(k), toy_caption(k)});
    }
    return all;
  };
  tf::trainer<tf::model<tf::chameleon, exec>> trainer(model,
                                                      {.steps = 300, .peak_rate = 1e-2, .warmup = 20, .quiet = true});
  double first = 0, last = 0;
  trainer.run(documents, [&](const auto& report) {
    if (report.step == 0) first = report.losses[0];
    last = report.losses[0];
  });
  BOOST_TEST(first > 2);  // about log 16
  BOOST_TEST(last < 1);

  auto o = drawing(0, 1);
  o.codes.temperature = 0;
  for (const double guidance : {1.0, 2.0}) {
    o.guidance = guidance;
    for (int k = 0; k < 4; ++k)
      BOOST_TEST(
          images(tf::generator(model, o)({{prompt({toy_caption(k)}), true, 1}})[0].content)[0] == code_image(k).values,
          boost::test_tools::per_element());
  }
  for (int k = 0; k < 4; ++k) {
    std::vector<tf::document> candidates;
    for (int c = 0; c < 4; ++c) candidates.push_back({code_image(k), toy_caption(c)});
    const auto found = tf::text_log_likelihood(model, candidates);
    BOOST_TEST(tf::text_target_count(model, candidates[0]) == 4);  // the begin token, two words and the end: no code
    const auto best = std::max_element(found.begin(), found.end()) - found.begin();
    BOOST_TEST(best == k);
  }
}

BOOST_AUTO_TEST_CASE(a_checkpoint_keeps_where_the_codes_stand) {
  const test_support::folder folder;
  code_model<tf::cpu_exec<double>> f(2);
  tf::save_model(folder / "model.safetensors", f.model);
  const tf::safetensors_file file(folder / "model.safetensors");
  code_model<tf::cpu_exec<double>> copy(3);
  tf::load_weights(file, copy.model);
  const auto drawn = [](auto& model) { return tf::generator(model, drawing(4, 1))(code_requests()); };
  const auto a = drawn(f.model), b = drawn(copy.model);
  for (std::size_t i = 0; i < a.size(); ++i) BOOST_TEST(same(a[i].content, b[i].content));
  auto c = tf::read_config<tf::chameleon>(file);
  BOOST_TEST(c.codec.first == first_code);
  BOOST_TEST(c.codec.size == code_count);
  c.codec.first = first_code + 1;
  tf::model<tf::chameleon, tf::cpu_exec<double>> other(f.exec, c, 1);
  fails_saying<tf::format_error>([&] { tf::load_weights(file, other); }, {"codec", "first"});
}

BOOST_AUTO_TEST_CASE(the_paper_s_codes_stand_behind_its_words) {
  const auto c = tf::paper_config<tf::chameleon>("0.16B");
  BOOST_TEST(c.vocabulary == 32000 + 16384);
  BOOST_TEST(c.text_vocabulary() == 32000);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_is_refused_by_name) {
  code_model<tf::reference_exec<double>> f(1);
  for (const float wrong : {5.0f, -1.0f, 0.5f, std::nanf(""), 1e30f}) {
    tf::image im = code_image(0);
    im.values[3] = wrong;
    fails_saying<tf::shape_error>([&] { f.model.pack({{im}}); }, {"document 0", "code", "0 to 4"});
  }
  fails_saying<tf::shape_error>([&] { f.model.pack({{tf::image{{2, 1, 3}, std::vector<float>(6)}}}); }, {"channels"});
  const auto refused = [](tf::codec::codes::options o, const std::vector<std::string>& words) {
    auto c = code_sizes();
    c.codec = o;
    fails_saying<tf::config_error>([&] { tf::completed(c); }, words);
  };
  fails_saying<tf::shape_error>([&] { f.model.pack({{tf::text{{10}}}}); }, {"token 10", "0 to 9", "codes"});
  auto weighed = both_sizes<both_kinds>();
  weighed.modality<1>().loss_weight = 5;
  fails_saying<tf::config_error>([&] { tf::completed(weighed); }, {"modality 1", "loss_weight", "found 5"});
  auto early = both_sizes<both_kinds>();
  early.modality<1>().codec.first = 8;
  fails_saying<tf::config_error>([&] { tf::completed(early); }, {"modality 1: codec.first", "8 to 12", "marker, 9"});
  refused({.first = 3, .size = 5}, {"codec.first", "3 to 7", "marker"});
  refused({.first = 12, .size = 5}, {"codec.first", "12 to 16", "vocabulary of 16"});
  refused({.first = 10, .size = 0}, {"codec.size", "found 0"});
  tf::generation_request r{prompt({}), true, 1};
  r.edit = tf::image_edit{code_image(0)};
  fails_saying<tf::config_error>([&] { tf::generator(f.model, drawing(0, 1))({r}); }, {"edit", "codes"});
}
