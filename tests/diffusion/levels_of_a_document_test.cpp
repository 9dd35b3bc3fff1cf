// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE diffusion_levels_of_a_document
#include <boost/test/unit_test.hpp>
#include <set>

#include "model/small_model.hpp"
#include "transfusion/diffusion/time_sampling/logit_normal.hpp"
#include "transfusion/diffusion/time_sampling/per_document.hpp"
#include "transfusion/diffusion/time_sampling/shifted.hpp"
#include "transfusion/exec/reference.hpp"

using namespace small_model;

namespace {

struct of_each_image : paper {
  using time_sampling = transfusion::time_sampling::logit_normal;
};
struct of_each_document : paper {
  using time_sampling = transfusion::time_sampling::per_document<transfusion::time_sampling::logit_normal>;
};
struct limited_document : paper {
  using time_sampling = transfusion::time_sampling::per_document<transfusion::time_sampling::limited<>>;
};
struct shifted_document : paper {
  using time_sampling = transfusion::time_sampling::shifted<of_each_document::time_sampling>;
};

/// Three images of which the first leads, then two that do not, then one.
std::vector<document> six_images() {
  const auto drawn_image = [](std::uint64_t seed) { return image{{2, 2, 2}, drawn(8, seed)}; };
  return {{drawn_image(1), text{{5}}, drawn_image(2), text{{6}}, drawn_image(3)},
          {text{{7}}, drawn_image(4), drawn_image(5)},
          {text{{8}}, drawn_image(6)}};
}

/// The times of the images in one step.
template <class Variant>
std::vector<double> times_of(std::uint32_t step, const std::vector<document>& documents, const step_share& share = {}) {
  reference_exec<double> exec;
  model<Variant, reference_exec<double>> m(exec, config<Variant>(), 1);
  std::vector<double> times;
  for (const noise_level& l : m.plan_noise(m.pack(documents), {3, step, stream::noise}, share).levels)
    times.push_back(l.time);
  return times;
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_image_has_a_level_of_its_own) {
  const auto times = times_of<of_each_image>(0, six_images());
  BOOST_TEST(std::set<double>(times.begin(), times.end()).size() == 6u);
}

BOOST_AUTO_TEST_CASE(all_images_of_a_document_share_one_level) {
  for (std::uint32_t step = 0; step < 20; ++step) {
    const auto times = times_of<of_each_document>(step, six_images());
    BOOST_TEST((times[0] == times[1] && times[1] == times[2] && times[3] == times[4]));
    BOOST_TEST((times[0] != times[3] && times[3] != times[5] && times[0] != times[5]));
    // The level is the one that the first image would have had by itself.
    const auto alone = times_of<of_each_image>(step, six_images());
    BOOST_TEST((times[0] == alone[0] && times[3] == alone[3] && times[5] == alone[5]));
  }
}

// Else two images of one document would stand at t and at t/2.
BOOST_AUTO_TEST_CASE(what_holds_for_the_first_image_holds_for_its_document) {
  double latest_led = 0, latest = 0;
  for (std::uint32_t step = 0; step < 60; ++step) {
    const auto times = times_of<limited_document>(step, six_images());
    BOOST_TEST((times[0] == times[1] && times[1] == times[2]));
    latest_led = std::max(latest_led, times[2]);
    latest = std::max(latest, times[4]);
  }
  BOOST_TEST((latest_led <= 0.5 && latest_led > 0.4));
  BOOST_TEST(latest > 0.8);
}

BOOST_AUTO_TEST_CASE(a_shift_of_shared_levels_shares_them) {
  const auto times = times_of<shifted_document>(0, six_images()), base = times_of<of_each_document>(0, six_images());
  BOOST_TEST((times[0] == times[2] && times[3] == times[4] && times[0] != times[3]));
  BOOST_TEST(std::abs(times[0] - 3 * base[0] / (1 + 2 * base[0])) < 1e-15);
}

// Noise belongs to the step, not to the batch that a document happens to be in.
BOOST_AUTO_TEST_CASE(shared_levels_follow_the_document) {
  const auto all = times_of<of_each_document>(5, six_images());
  const auto second = times_of<of_each_document>(5, {six_images()[1]}, {.first_image = 3, .first_value = 24});
  BOOST_TEST((second[0] == all[3] && second[1] == all[4]));
}
