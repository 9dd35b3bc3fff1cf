// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE generate_image
#include <boost/test/unit_test.hpp>
#include <map>

#include "generate/plain_generator.hpp"
#include "support/policies.hpp"

using namespace generate_test;

namespace {

template <class Exec, class Variant>
void check_models(const tf::generation_options& options, double tolerance_of_images, std::map<char, int>& seen) {
  for (std::uint64_t seed : {4u, 5u, 6u}) {
    fixture<Exec, Variant> f(seed);
    const auto asked = requests();
    const auto all = check_against_plain(f.model, options, asked, tolerance_of_images);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto& [content, prompt_segments, reason] = all[i];
      const auto drawn = images(content).size() - images(asked[i].prompt).size();
      seen['i'] += static_cast<int>(drawn) - asked[i].begin_image;
      seen['t'] += static_cast<int>(words(content).size() - words(asked[i].prompt).size());
      seen['e'] += reason == tf::finish_reason::end_token;
    }
  }
}

struct v_ddim : tf::paper {
  using target = tf::target::v;
  using solver = tf::solver::ddim;
};

}  // namespace

// Finished images are floats, whatever the policy computes in.
BOOST_AUTO_TEST_CASE_TEMPLATE(generation_is_that_of_the_algorithm_without_a_cache, Exec, policies) {
  const double near = sizeof(typename Exec::scalar) == 8 ? 1e-6 : 5e-3;
  std::map<char, int> seen;
  check_models<Exec, tf::paper>(small(5, 2), near, seen);
  auto options = small(3, 2);
  options.guidance = 1;
  check_models<Exec, tf::paper>(options, near, seen);
  options.guidance = 0;
  check_models<Exec, v_ddim>(options, near, seen);
  // None of the ways was left out.
  BOOST_TEST(seen['i'] > 0);
  BOOST_TEST(seen['t'] > 0);
  BOOST_TEST(seen['e'] > 0);
}

BOOST_AUTO_TEST_CASE(a_watcher_sees_every_image_from_noise_to_the_last_step) {
  fixture<tf::cpu_exec<float>> f;
  const auto options = small(0, 1);
  std::map<tf::index_t, std::vector<std::vector<float>>> frames;
  tf::generator generator(f.model, options);
  const std::vector<tf::generation_request> asked = {
      {prompt({}), true, 1}, {prompt({}), false, 2}, {prompt({}), true, 3}};
  const auto found = generator(asked, [&](tf::index_t request, tf::index_t step, const std::vector<float>& values) {
    BOOST_TEST(step == static_cast<tf::index_t>(frames[request].size()));
    frames[request].push_back(values);
  });
  BOOST_TEST(frames.size() == 2u);
  for (tf::index_t request : {0, 2}) {
    BOOST_REQUIRE(frames[request].size() == 7u);  // 6 steps
    double four[4];
    tf::normal_block({asked[static_cast<std::size_t>(request)].seed, 0, tf::stream::first_noise}, 0, four);
    for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(frames[request][0][i] == static_cast<float>(four[i]));
    BOOST_TEST((frames[request].back() == images(found[static_cast<std::size_t>(request)].content)[0]));
  }
}

BOOST_AUTO_TEST_CASE(guidance_of_one_is_no_guidance) {
  fixture<tf::reference_exec<double>> f;
  auto options = small(0, 1);
  options.guidance = 1;
  const auto plain = f(options, requests());
  options.guidance = 1 + 1e-9;  // not 1: the unguided rows run, and weigh nothing to speak of
  const auto weighed = f(options, requests());
  for (std::size_t i = 0; i < plain.size(); ++i)
    BOOST_TEST(distance_of_images(plain[i].content, weighed[i].content) < 1e-6);
  options.guidance = 3;
  BOOST_TEST(distance_of_images(plain[1].content, f(options, requests())[1].content) > 1e-3);
}

BOOST_AUTO_TEST_CASE(guidance_changes_nothing_where_there_is_no_context) {
  fixture<tf::reference_exec<double>> f;
  auto options = small(0, 1);
  options.guidance = 1;
  const auto plain = f(options, {{prompt({}), true, 6}});
  options.guidance = 7;
  BOOST_TEST(distance_of_images(plain[0].content, f(options, {{prompt({}), true, 6}})[0].content) < 1e-6);
}

BOOST_AUTO_TEST_CASE(data_are_held_in_their_range) {
  fixture<tf::cpu_exec<float>> f;
  auto options = small(0, 1);
  options.guidance = 7;
  for (double high : {0.05, 0.5, 2.0}) {
    options.data_low = -0.01;
    options.data_high = high;
    const auto found = f(options, {{prompt({tf::text{{5}}}), true, 1}});
    const auto drawn = images(found[0].content);
    bool reached = false;
    for (float v : drawn[0]) {  // the last step ends at x̂0 itself
      BOOST_TEST((v >= -0.0100001f && v <= static_cast<float>(high) + 1e-6f));
      reached = reached || v == static_cast<float>(options.data_low) || v == static_cast<float>(high);
    }
    BOOST_TEST(reached);
  }
}

namespace {

/// Knows the image, and predicts exactly what the target asks for.
template <class Target>
struct knowing_codec {
  struct options {
    tf::index_t channels = 1;
    tf::index_t patch = 2;
  };
  static tf::patch_grid grid(tf::image_shape shape, const options& o) {
    return tf::codec::linear_patch::grid(shape, {o.channels, o.patch});
  }
  static double known(tf::index_t i) { return 0.9 * std::sin(1.0 + 0.8 * static_cast<double>(i)); }

  template <class Exec>
  struct layer {
    tf::layer::linear<Exec> in;
    options sizes;

    layer(tf::parameter_set<Exec>& set, const std::string& name, const options& o, tf::index_t width)
        : in(set, name + ".in", o.channels * o.patch * o.patch, width, tf::bias::on), sizes(o) {}

    tf::encoded_images<Exec, tf::no_skip> encode(tf::tape<Exec>& tape, const tf::image_batch<Exec>& x) const {
      return {in(tape, tf::patchify(tape, x.values, x.places, x.patches(), {sizes.patch, sizes.patch}, sizes.channels)),
              {}};
    }
    tf::var<Exec> decode(tf::tape<Exec>& tape, tf::var<Exec>, tf::no_skip, const tf::image_batch<Exec>& x) const {
      const auto y = tape.variable(1, x.values.size());
      for (tf::index_t i = 0; i < x.places.size(); ++i) {
        const auto at = tf::level_at(tf::schedule::cosine{}, static_cast<double>(x.times[i]) / 1000);
        const auto target = Target::of(at.signal, at.noise);
        for (tf::index_t e = 0; e < x.places[i].shape.size(); ++e) {
          const double x_t = static_cast<double>(x.values[x.places[i].first_value + e]);
          const double noise = (x_t - at.signal * known(e)) / at.noise;
          y.value()(0, x.places[i].first_value + e) =
              static_cast<typename Exec::scalar>(target.data * known(e) + target.noise * noise);
        }
      }
      tape.on_backward([](auto&) {});
      return y;
    }
  };
};

template <class Target, class Solver>
struct knowing : tf::paper {
  using codec = knowing_codec<Target>;
  using target = Target;
  using solver = Solver;
};

template <class Exec, class Target, class Solver>
void check_known_image(double near) {
  fixture<Exec, knowing<Target, Solver>> f;
  for (int steps : {1, 2, 50, 250})
    for (double guidance : {1.0, 5.0}) {
      auto options = small(0, 1);
      options.image_steps = steps;
      options.guidance = guidance;
      const auto found = f(options, {{prompt({tf::text{{5}}}), true, 1}, {prompt({toy_image(0)}), true, 2}});
      for (const auto& d : found) {
        const auto drawn = images(d.content).back();
        for (std::size_t i = 0; i < drawn.size(); ++i)
          BOOST_TEST(std::abs(static_cast<double>(drawn[i]) -
                              knowing_codec<Target>::known(static_cast<tf::index_t>(i))) < near,
                     steps << " steps, value " << i);
      }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(perfect_predictions_lead_to_the_image) {
  check_known_image<tf::reference_exec<double>, tf::target::noise, tf::solver::ddpm>(1e-6);
  check_known_image<tf::reference_exec<double>, tf::target::noise, tf::solver::ddim>(1e-6);
  check_known_image<tf::cpu_exec<double>, tf::target::v, tf::solver::ddpm>(1e-6);
  check_known_image<tf::cpu_exec<float>, tf::target::data, tf::solver::ddpm>(1e-5);
  check_known_image<tf::cpu_exec<float>, tf::target::v, tf::solver::ddim>(1e-3);
}
