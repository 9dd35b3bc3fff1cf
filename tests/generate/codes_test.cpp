// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE generate_codes
#include <boost/test/unit_test.hpp>

#include "generate/small_generator.hpp"
#include "support/policies.hpp"
#include "support/temporary_folder.hpp"
#include "transfusion/chameleon.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/io/model_file.hpp"
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

/// Logits of all codes after a document, by a pass over all of it.
template <class Exec>
std::vector<double> logits_after(tf::model<tf::chameleon, Exec>& model, tf::document d) {
  d.open_ended = true;
  const auto batch = model.pack({d});
  tf::tape<Exec> tape(model.exec(), tf::recording::off);
  const auto out = model.forward(tape, model.inputs(tape, batch, {}, tf::model<tf::chameleon, Exec>::clean(batch)));
  const auto last = out.hidden.value().slice(batch.rows() - 1, batch.rows());
  const auto all = host_copy<typename Exec::real>(model.exec(), model.logits(tape, last).flat());
  return {all.begin() + first_code, all.begin() + first_code + code_count};
}

/// The likeliest codes, one by one, each after a pass over everything before it: in the packing of training.
template <class Exec>
std::vector<float> plain_codes(tf::model<tf::chameleon, Exec>& model, const tf::generation_options& o,
                               const tf::document& before) {
  tf::text item{{boi}};
  const auto with_item = [&](tf::document d) {
    d.segments.emplace_back(item);
    return logits_after(model, std::move(d));
  };
  std::vector<float> codes;
  for (tf::index_t n = 0; n < o.image.size(); ++n) {
    auto y = with_item(before);
    if (o.guidance != 1 || o.image_guidance) {
      const auto whole = y, none = with_item({});
      const auto some = o.image_guidance ? with_item(tf::without_text(before)) : none;
      for (std::size_t i = 0; i < y.size(); ++i)
        y[i] = none[i] + o.image_guidance.value_or(1) * (some[i] - none[i]) + o.guidance * (whole[i] - some[i]);
    }
    const auto best = static_cast<tf::token_t>(std::max_element(y.begin(), y.end()) - y.begin());
    codes.push_back(static_cast<float>(best));
    item.tokens.push_back(first_code + best);
  }
  return codes;
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
  const auto c = tf::read_config<tf::chameleon>(tf::safetensors_file(folder / "model.safetensors"));
  BOOST_TEST(c.codec.first == first_code);
  BOOST_TEST(c.codec.size == code_count);
}

BOOST_AUTO_TEST_CASE(the_paper_s_codes_stand_behind_its_words) {
  const auto c = tf::paper_config<tf::chameleon>("0.16B");
  BOOST_TEST(c.vocabulary == 32000 + 16384);
  BOOST_TEST(c.text_vocabulary() == 32000);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_is_refused_by_name) {
  code_model<tf::reference_exec<double>> f(1);
  for (const float wrong : {5.0f, -1.0f, 0.5f}) {
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
  refused({.first = 3, .size = 5}, {"codec.first", "3 to 7", "marker"});
  refused({.first = 12, .size = 5}, {"codec.first", "12 to 16", "vocabulary of 16"});
  refused({.first = 10, .size = 0}, {"codec.size", "found 0"});
  tf::generation_request r{prompt({}), true, 1};
  r.edit = tf::image_edit{code_image(0)};
  fails_saying<tf::config_error>([&] { tf::generator(f.model, drawing(0, 1))({r}); }, {"edit", "codes"});
}
