// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE generate_modalities
#include <boost/test/unit_test.hpp>

#include "generate/plain_generator.hpp"
#include "transfusion/diffusion/solver/heun.hpp"
#include "transfusion/exec/reference.hpp"

using namespace generate_test;

namespace {

/// A signal with a flow of its own; the images stay the paper's, by its stochastic solver.
struct sound : tf::paper {
  using schedule = tf::schedule::rectified_flow;
  using target = tf::target::velocity;
  using solver = tf::solver::heun;
};
struct two : tf::paper {
  using other_modalities = tf::modality_list<sound>;
};

inline constexpr tf::token_t begin_sound = 10, end_sound = 11;

template <class Exec>
struct two_modalities {
  Exec exec;
  tf::model<two, Exec> model;

  explicit two_modalities(std::uint64_t seed) : model(exec, sizes(), 1) { stir(model, seed, 0.5); }
  static tf::model_config<two> sizes() {
    tf::model_config<two> c{.layers = 2, .width = 16, .heads = 2, .vocabulary = 12};
    c.modality<1>() = {.codec = {.channels = 3, .patch = 2}, .begin = begin_sound, .end = end_sound};
    return c;
  }
};

tf::generation_options both(tf::index_t max_tokens, tf::index_t max_images) {
  auto o = small(max_tokens, max_images);
  o.others = {{.shape = {3, 2, 6}, .steps = 4, .data_low = -2, .data_high = 2}};
  return o;
}

tf::image tone(int kind) {
  tf::image im{{3, 2, 4}, {}, 1};
  for (int i = 0; i < 24; ++i) im.values.push_back(0.5f * std::sin(0.4f * static_cast<float>((kind + 1) * i)));
  return im;
}

/// "tis": text, image, sound.
std::string kinds(const tf::document& d) {
  std::string s;
  for (const auto& part : d.segments)
    s += std::holds_alternative<tf::text>(part) ? 't' : std::get<tf::image>(part).modality == 0 ? 'i' : 's';
  return s;
}

std::vector<tf::generation_request> mixed() {
  return {{prompt({}), false, 1},
          {prompt({tf::text{{5, 6}}}), true, 2},
          {prompt({tf::text{{7}}, tone(1)}), true, 3, 1},
          {prompt({toy_image(0), tf::text{{7}}}), true, 4, 1},
          {prompt({tone(2), tone(0)}), false, 5}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(text_image_text_and_signal_in_one_document) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    two_modalities<tf::reference_exec<double>> f(seed);
    for (const auto& d : check_against_plain(f.model, both(6, 2), mixed(), 1e-6)) {
      const std::string form = kinds(d.content);
      found += form.find("its") != std::string::npos || form.find("sti") != std::string::npos;
      BOOST_TEST(std::count(form.begin(), form.end(), 's') + std::count(form.begin(), form.end(), 'i') <= 4);
    }
  }
  BOOST_TEST(found > 0);  // the model asks for both, with text between
}

BOOST_AUTO_TEST_CASE(items_have_the_shape_and_range_of_their_modality) {
  two_modalities<tf::cpu_exec<float>> f(1);
  auto options = both(0, 1);
  options.others[0].data_low = -0.25;
  options.others[0].data_high = 0.25;
  const auto found =
      tf::generator(f.model, options)({{prompt({tf::text{{5}}}), true, 1, 1}, {prompt({tf::text{{5}}}), true, 1, 0}});
  const auto& signal = std::get<tf::image>(found[0].content.segments.back());
  BOOST_TEST(signal.modality == 1);
  BOOST_TEST((signal.shape == tf::image_shape{3, 2, 6}));
  float most = 0;
  for (float v : signal.values) most = std::fmax(most, std::abs(v));
  BOOST_TEST(most <= 0.2501f);
  const auto& drawn = std::get<tf::image>(found[1].content.segments.back());
  BOOST_TEST(drawn.modality == 0);
  BOOST_TEST((drawn.shape == tf::image_shape{1, 4, 4}));
  most = 0;
  for (float v : drawn.values) most = std::fmax(most, std::abs(v));
  BOOST_TEST(most > 0.26f);
}

BOOST_AUTO_TEST_CASE(each_modality_takes_its_own_number_of_steps) {
  two_modalities<tf::cpu_exec<float>> f(1);
  tf::generator generator(f.model, both(0, 1));
  tf::index_t last[2] = {0, 0};
  generator({{prompt({}), true, 1, 0}, {prompt({}), true, 2, 1}},
            [&](tf::index_t request, tf::index_t step, const std::vector<float>& values) {
              BOOST_TEST(values.size() == (request == 0 ? 16u : 36u));
              last[request] = step;
            });
  BOOST_TEST(last[0] == 6);
  BOOST_TEST(last[1] == 4);
}

BOOST_AUTO_TEST_CASE(a_mixed_batch_equals_each_alone) {
  two_modalities<tf::cpu_exec<double>> f(3);
  auto options = both(6, 3);
  options.text.temperature = 1.5;
  options.image_guidance = 1.2;
  const auto together = tf::generator(f.model, options)(mixed());
  for (std::size_t i = 0; i < together.size(); ++i) {
    const auto alone = tf::generator(f.model, options)({mixed()[i]});
    BOOST_TEST(kinds(together[i].content) == kinds(alone[0].content));
    BOOST_TEST(words(together[i].content) == words(alone[0].content), boost::test_tools::per_element());
    BOOST_TEST(distance_of_images(together[i].content, alone[0].content) < 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(a_modality_without_a_shape_is_never_asked_for_and_its_end_never_drawn) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    two_modalities<tf::cpu_exec<float>> f(seed);
    for (const bool signal : {false, true}) {
      auto options = both(8, 2);
      options.text.temperature = 2;
      if (signal)
        options.image = {};
      else
        options.others.clear();
      const auto found = tf::generator(f.model, options)({{prompt({}), false, 1}, {prompt({}), false, 2}});
      for (const auto& d : found) {
        BOOST_TEST((kinds(d.content).find(signal ? 'i' : 's') == std::string::npos));
        for (tf::token_t t : words(d.content)) BOOST_TEST((t >= 4 && t < begin_sound));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(modalities_that_cannot_be_drawn_are_refused) {
  two_modalities<tf::cpu_exec<float>> f(1);
  const auto refused = [&]<class Error>(Error*, auto change, const std::vector<std::string>& words) {
    auto options = both(3, 1);
    tf::generation_request request{prompt({}), true, 1, 1};
    change(options, request);
    fails_saying<Error>([&] { tf::generator(f.model, options)({request}); }, words);
  };
  using o = tf::generation_options;
  using r = tf::generation_request;
  constexpr tf::config_error* config = nullptr;
  constexpr tf::shape_error* shape = nullptr;
  refused(config, [](o& x, r&) { x.others.clear(); }, {"request 0", "begin_modality", "found 1"});
  refused(config, [](o&, r& x) { x.begin_modality = 2; }, {"request 0", "begin_modality", "found 2"});
  refused(config, [](o& x, r&) { x.others.resize(2); }, {"others", "found 2", "expected up to 1"});
  refused(config, [](o& x, r&) { x.others[0].steps = 0; }, {"0 steps"});
  refused(config, [](o& x, r&) { x.others[0].data_low = 3; }, {"others[0].data_low", "found 3"});
  refused(shape, [](o& x, r&) { x.others[0].shape = {3, 3, 6}; }, {"3 x 6"});
}
