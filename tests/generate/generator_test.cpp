// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE generate_generator
#include <boost/test/unit_test.hpp>

#include "generate/plain_generator.hpp"
#include "support/policies.hpp"
#include "transfusion/diffusion/solver/heun.hpp"

using namespace generate_test;

BOOST_AUTO_TEST_CASE_TEMPLATE(prompts_together_equal_each_alone, Exec, policies) {
  const double near = sizeof(typename Exec::scalar) == 8 ? 1e-6 : 5e-3;
  fixture<Exec> f;
  auto options = small(6, 2);
  options.text = {.temperature = 1.5, .top_k = 8, .top_p = 0.95};
  const auto together = f(options, requests());
  const auto prompts = requests();
  BOOST_REQUIRE(together.size() == prompts.size());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto alone = f(options, {prompts[i]});
    BOOST_TEST_CONTEXT("request " << i) {
      BOOST_TEST(form(together[i].content) == form(alone[0].content));
      BOOST_TEST(words(together[i].content) == words(alone[0].content), boost::test_tools::per_element());
      BOOST_TEST((together[i].reason == alone[0].reason));
      BOOST_TEST(distance_of_images(together[i].content, alone[0].content) < near);
    }
  }
}

namespace {

/// Two evaluations a step, one in the last.
struct two_evaluations : tf::paper {
  using solver = tf::solver::heun;
  using target = tf::target::v;
};

}  // namespace

// All that happens in a step or between two, on every policy: what is recorded once must follow the levels.
BOOST_AUTO_TEST_CASE_TEMPLATE(guided_and_edited_steps_of_two_evaluations, Exec, policies) {
  const double near = sizeof(typename Exec::scalar) == 8 ? 1e-6 : 5e-3;
  fixture<Exec, two_evaluations> f;
  auto options = small(2, 2);
  options.image_steps = 12;
  options.guidance = 2;
  options.image_guidance = 1.5;
  options.guidance_low = 0.2;
  options.guidance_high = 0.8;
  options.guidance_rescale = 0.5;
  options.threshold_quantile = 0.9;
  const std::vector<char> keep = {1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
  check_against_plain(f.model, options,
                      {{prompt({toy_image(0), tf::text{{5}}}), true, 1, 0, tf::image_edit{toy_image(1), 0.7, keep}},
                       {prompt({tf::text{{6}}}), true, 2, 0, tf::image_edit{toy_image(2), 0.7}},
                       {prompt({tf::text{{6, 7}}}), true, 3}},
                      near);
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_result_and_another_does_not) {
  fixture<tf::cpu_exec<float>> f;
  auto options = small(12);
  options.text.temperature = 2;
  const tf::generation_request a{prompt({tf::text{{5}}}), true, 1}, b{prompt({tf::text{{5}}}), true, 2};
  const auto first = f(options, {a, a, b}), second = f(options, {b, a});
  BOOST_TEST(same(first[0].content, first[1].content));
  BOOST_TEST((images(first[0].content) != images(first[2].content)));
  BOOST_TEST((words(first[0].content) != words(first[2].content)));
  // One generator twice is as good as two.
  tf::generator again(f.model, options);
  const auto once = again({a}), twice = again({a});
  BOOST_TEST(same(once[0].content, twice[0].content));
  BOOST_TEST(distance_of_images(second[1].content, once[0].content) < 5e-3);
}

BOOST_AUTO_TEST_CASE(a_forced_image_is_followed_by_text_and_more_images) {
  fixture<tf::cpu_exec<float>> f;
  f.favour(boi, 100);
  const auto found = f(small(4, 3), {{prompt({tf::text{{5}}}), true, 1}, {prompt({}), false, 2}});
  BOOST_TEST(form(found[0].content).substr(0, 5) == "tiiit");
  BOOST_TEST(form(found[1].content).substr(0, 4) == "iiit");
  for (const auto& d : found) {
    BOOST_TEST(images(d.content).size() == 3u);  // BOI is asked for and refused after that
    BOOST_TEST((d.reason == tf::finish_reason::token_limit || d.reason == tf::finish_reason::end_token));
    const auto drawn = images(d.content);
    for (std::size_t i = 0; i < 3; ++i) {
      BOOST_TEST(drawn[i].size() == 16u);
      for (std::size_t j = 0; j < i; ++j) BOOST_TEST((drawn[i] != drawn[j]));
    }
  }
}

BOOST_AUTO_TEST_CASE(boi_is_never_drawn_when_no_image_may_follow) {
  fixture<tf::cpu_exec<float>> f;
  f.favour(boi, 100);
  const auto found = f(small(5, 0), {{prompt({tf::text{{5}}}), false, 1}, {prompt({toy_image(0)}), false, 2}});
  for (const auto& d : found) BOOST_TEST(images(d.content).size() == (&d == &found[1] ? 1u : 0u));
  for (const auto& d : found)
    for (tf::token_t t : words(d.content)) BOOST_TEST(t >= 4);
}

BOOST_AUTO_TEST_CASE(bos_and_eoi_are_never_drawn) {
  for (tf::token_t marker : {bos, eoi}) {
    fixture<tf::cpu_exec<float>> f;
    f.favour(marker, 100);
    const auto found = f(small(5, 0), {{prompt({tf::text{{5}}}), false, 1}});
    for (tf::token_t t : words(found[0].content)) BOOST_TEST(t >= 4);
  }
}

BOOST_AUTO_TEST_CASE(eos_ends_a_document_and_is_not_part_of_it) {
  fixture<tf::cpu_exec<float>> f;
  f.favour(eos, 100);
  const auto found = f(small(5, 1), {{prompt({tf::text{{5}}}), false, 1}, {prompt({tf::text{{5}}}), true, 1}});
  BOOST_TEST((words(found[0].content) == std::vector<tf::token_t>{5}));
  BOOST_TEST((found[0].reason == tf::finish_reason::end_token));
  BOOST_TEST(form(found[1].content) == "ti");
  BOOST_TEST((found[1].reason == tf::finish_reason::end_token));
}

BOOST_AUTO_TEST_CASE(tokens_are_counted_up_to_the_limit) {
  fixture<tf::cpu_exec<float>> f;
  f.favour(7, 100);
  for (tf::index_t limit : {1, 2, 7}) {
    const auto found = f(small(limit), {{prompt({tf::text{{5, 5}}}), false, 1}});
    BOOST_TEST(words(found[0].content).size() == static_cast<std::size_t>(2 + limit));
    BOOST_TEST((found[0].reason == tf::finish_reason::token_limit));
    // The prompt's own segment stays as it was.
    BOOST_TEST(form(found[0].content) == "tt");
    BOOST_TEST(found[0].prompt_segments == 1);
  }
}

BOOST_AUTO_TEST_CASE(no_tokens_at_all_leaves_an_image_or_the_prompt) {
  fixture<tf::cpu_exec<float>> f;
  const auto found = f(small(0, 1), {{prompt({tf::text{{5}}}), true, 1}, {prompt({tf::text{{5}}}), false, 1}});
  BOOST_TEST(form(found[0].content) == "ti");
  BOOST_TEST((found[0].reason == tf::finish_reason::image_limit));
  BOOST_TEST(form(found[1].content) == "t");
}

BOOST_AUTO_TEST_CASE(no_requests_give_no_documents) {
  fixture<tf::cpu_exec<float>> f;
  BOOST_TEST(f(small(), {}).empty());
}

namespace {

/// Sees what the paper's mask sees, and minds that the images of a document have numbers of their own.
struct minding_mask : tf::mask::intra_image {
  tf::key_interval keys(tf::index_t q, const tf::span_table& table) const {
    for (const auto& a : table.spans())
      for (const auto& b : table.spans())
        if (&a != &b && a.image == b.image) throw tf::shape_error("two images of one number");
    return tf::mask::intra_image::keys(q, table);
  }
};
struct minding : tf::paper {
  using mask = minding_mask;
};

}  // namespace

BOOST_AUTO_TEST_CASE(generated_images_are_counted_after_those_of_the_prompt) {
  fixture<tf::cpu_exec<float>, minding> f;
  BOOST_CHECK_NO_THROW(f(small(3, 2), requests()));
}

BOOST_AUTO_TEST_CASE(options_outside_their_range_are_refused_by_name) {
  fixture<tf::cpu_exec<float>> f;
  const auto refused = [&]<class Error>(Error*, auto change, const char* name) {
    auto options = small();
    change(options);
    fails_saying<Error>([&] { tf::generator generator(f.model, options); }, {name, "expected"});
  };
  using o = tf::generation_options;
  constexpr tf::config_error* config = nullptr;
  constexpr tf::shape_error* shape = nullptr;
  refused(
      config, [](o& x) { x.max_tokens = -1; }, "max_tokens");
  refused(
      config, [](o& x) { x.max_images = -1; }, "max_images");
  refused(
      config, [](o& x) { x.image_steps = 0; }, "0 steps");
  refused(
      config, [](o& x) { x.image_steps = 1001; }, "1001 steps");
  refused(
      config, [](o& x) { x.guidance = std::nan(""); }, "guidance");
  refused(
      config, [](o& x) { x.data_low = x.data_high; }, "data_low");
  refused(
      config, [](o& x) { x.text.temperature = -1; }, "temperature");
  refused(
      config, [](o& x) { x.text.top_k = -1; }, "top_k");
  refused(
      config, [](o& x) { x.text.top_p = 0; }, "top_p");
  refused(
      shape,
      [](o& x) {
        x.image = {1, 3, 4};
      },
      "3 x 4");
  refused(
      shape,
      [](o& x) {
        x.image = {2, 4, 4};
      },
      "channels");
}

BOOST_AUTO_TEST_CASE(requests_that_cannot_be_met_are_refused) {
  fixture<tf::cpu_exec<float>> f;
  fails_saying<tf::config_error>(
      [&] {
        f(small(5, 0), {{prompt({}), false, 1}, {prompt({}), true, 1}});
      },
      {"request 1", "begin_image", "max_images"});
  BOOST_CHECK_THROW(f(small(), {{prompt({tf::text{{10}}}), false, 1}}), tf::shape_error);
  BOOST_CHECK_THROW(f(small(), {{prompt({toy_image(0, 3, 4)}), false, 1}}), tf::shape_error);
}

BOOST_AUTO_TEST_CASE(a_model_without_bos_needs_a_prompt) {
  tf::cpu_exec<float> exec;
  auto sizes = toy_sizes;
  sizes.markers.bos = tf::ignored;
  tf::model<tf::paper, tf::cpu_exec<float>> model(exec, sizes, 1);
  stir(model, 4);
  tf::generator generator(model, small(3, 1));
  fails_saying<tf::config_error>([&] { generator({{prompt({}), false, 1}}); }, {"prompt"});
  fails_saying<tf::config_error>([&] { generator({{prompt({tf::text{}}), false, 1}}); }, {"prompt"});
  const auto found = generator({{prompt({tf::text{{5}}}), true, 1}, {prompt({toy_image(0)}), true, 1}});
  BOOST_TEST(form(found[0].content).substr(0, 2) == "ti");
  BOOST_TEST(form(found[1].content).substr(0, 2) == "ii");
}

BOOST_AUTO_TEST_CASE(weights_that_are_no_numbers_are_an_error_and_not_a_token) {
  fixture<tf::cpu_exec<float>> f;
  f.model.parameters().each([&](auto p) {
    if (p.name() == "head") f.exec.fill(p.master(), std::nan(""));
  });
  BOOST_CHECK_THROW(f(small(), {{prompt({tf::text{{5}}}), false, 1}}), tf::numeric_error);
}
