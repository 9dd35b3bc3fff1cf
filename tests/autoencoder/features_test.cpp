// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autoencoder_features
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "support/temporary_folder.hpp"
#include "transfusion/autoencoder/discriminator.hpp"
#include "transfusion/autoencoder/vgg.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/testing/compare.hpp"
#include "transfusion/testing/gradient_check.hpp"

using namespace transfusion;
using exec_type = reference_exec<double>;

namespace {

#include "golden/lpips.txt"

const vgg_options few_channels{
    .image_channels = 3, .stages = {{3, 4}, {5}}, .shift = {-0.030, -0.088, -0.188}, .scale = {0.458, 0.448, 0.450}};

struct named {
  std::string name;
  std::vector<index_t> shape;
  std::vector<double> values;
};

void write(const std::filesystem::path& path, const std::vector<named>& tensors) {
  std::vector<tensor_info> infos;
  for (const named& t : tensors) infos.push_back(tensor_info::of<float>(t.name, t.shape));
  safetensors_writer writer(path, infos);
  for (const named& t : tensors) {
    const std::vector<float> values(t.values.begin(), t.values.end());
    writer.write(t.name, values.data(), static_cast<index_t>(values.size()));
  }
  writer.commit();
}

std::vector<named> torch_weights() {
  return {{"features.0.weight", {3, 3, 3, 3}, features_0_weight}, {"features.0.bias", {3}, features_0_bias},
          {"features.2.weight", {4, 3, 3, 3}, features_2_weight}, {"features.2.bias", {4}, features_2_bias},
          {"features.5.weight", {5, 4, 3, 3}, features_5_weight}, {"features.5.bias", {5}, features_5_bias}};
}

std::vector<image> images_of(const std::vector<double>& values, image_shape shape) {
  std::vector<image> images;
  for (auto v = values.begin(); v != values.end(); v += shape.size())
    images.push_back({shape, std::vector<float>(v, v + shape.size())});
  return images;
}

const autoencoder_options any_image{.channels = 3, .latent_channels = 1, .level_channels = {1}, .groups = 1};

/// The images of one pass.
pixel_batch<exec_type> uploaded(tape<exec_type>& t, pixel_pyramid& pyramid, const std::vector<image>& images) {
  return upload_images(t, pyramid, std::span<const image>(images), any_image);
}

std::vector<double> sums(exec_type& exec, const std::vector<view<double, 1>>& maps) {
  std::vector<double> all(static_cast<std::size_t>(maps.front().size()), 0);
  for (const auto& m : maps) {
    const auto found = transfusion::testing::on_host(exec, m);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] += found[i];
  }
  return all;
}

struct features_fixture {
  test_support::folder folder;
  exec_type exec;
  vgg<exec_type> network{exec, few_channels, 1};
  pixel_pyramid pyramid{{3, 3}, {2, 2}, 1};

  features_fixture() {
    write(folder / "vgg.safetensors", torch_weights());
    write(folder / "lin.safetensors",
          {{"lin0.model.1.weight", {1, 4, 1, 1}, lin0}, {"lin1.model.1.weight", {1, 5, 1, 1}, lin1}});
    network.load(folder / "vgg.safetensors");
    network.load_channel_weights(folder / "lin.safetensors");
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(features, features_fixture)

BOOST_AUTO_TEST_CASE(distances_are_those_of_lpips) {
  const feature_distance<vgg<exec_type>, exec_type> distance(exec, network);
  tape<exec_type> t(exec);
  const auto first = images_of(first_images, {3, 6, 4}), second = images_of(second_images, {3, 6, 4});
  const auto x = uploaded(t, pyramid, first), y = uploaded(t, pyramid, second);
  const auto found = sums(exec, distance(t, y.rows, x, 1));
  BOOST_TEST_REQUIRE(found.size() == distances.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    BOOST_TEST(found[i] == distances[i], boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(equal_images_have_no_distance) {
  const feature_distance<vgg<exec_type>, exec_type> distance(exec, network);
  tape<exec_type> t(exec);
  const auto x = uploaded(t, pyramid, images_of(first_images, {3, 6, 4}));
  for (double d : sums(exec, distance(t, x.rows, x, 1))) BOOST_TEST(d == 0);
}

// The distance's gradient with respect to the pixels, along one direction.
BOOST_AUTO_TEST_CASE(pixels_get_the_gradient_of_their_distance) {
  const feature_distance<vgg<exec_type>, exec_type> distance(exec, network);
  const auto wanted = images_of(first_images, {3, 6, 4});
  const std::vector<double>& start = second_images;
  const auto at = [&](double h, std::vector<double>* gradient) {
    tape<exec_type> t(exec);
    const auto x = uploaded(t, pyramid, wanted);
    auto pixels = t.variable(x.rows.rows(), 3);
    for (index_t i = 0; i < pixels.value().size(); ++i)
      pixels.value().data[i] = start[static_cast<std::size_t>(i)] + h * std::cos(static_cast<double>(i));
    view<double, 2> into;
    if (gradient) into = t.saved(pixels.rows(), 3);
    t.on_backward([=](auto& b) {
      if (into) b.exec().copy(into.flat(), b.gradient(pixels).flat());
    });
    const auto all = sums(exec, distance(t, pixels, x, 0.7));
    if (gradient) {
      t.backward();
      *gradient = transfusion::testing::on_host(exec, into.flat());
    }
    return 0.7 * (all[0] + all[1]) / 2;
  };
  std::vector<double> gradient;
  at(0, &gradient);
  double analytic = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) analytic += gradient[i] * std::cos(static_cast<double>(i));
  const double numeric = transfusion::testing::central_difference([&](double h) { return at(h, nullptr); }, 1e-5);
  BOOST_TEST(analytic == numeric, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(std::abs(analytic) > 1e-3);
}

BOOST_AUTO_TEST_CASE(a_file_that_does_not_fit_changes_nothing) {
  const auto before = transfusion::testing::on_host(exec, network.parameters().values());
  auto tensors = torch_weights();
  tensors.back() = {"features.5.bias", {1, 5}, features_5_bias};
  write(folder / "other.safetensors", tensors);
  BOOST_CHECK_THROW(network.load(folder / "other.safetensors"), format_error);
  tensors.pop_back();
  write(folder / "other.safetensors", tensors);
  BOOST_CHECK_THROW(network.load(folder / "other.safetensors"), format_error);
  BOOST_TEST(transfusion::testing::on_host(exec, network.parameters().values()) == before,
             boost::test_tools::per_element());
  const std::vector<double> negative{1, 1, -0.5, 1};
  write(folder / "lin.safetensors",
        {{"lin0.model.1.weight", {1, 4, 1, 1}, negative}, {"lin1.model.1.weight", {1, 5, 1, 1}, lin1}});
  BOOST_CHECK_EXCEPTION(network.load_channel_weights(folder / "lin.safetensors"), format_error, [](auto& e) {
    return std::string(e.what()).find("found -0.5, expected >= 0") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_named) {
  const auto fails = [](const auto& f, const std::string& part) {
    BOOST_CHECK_EXCEPTION(f(), error,
                          [&](const error& e) { return std::string(e.what()).find(part) != std::string::npos; });
  };
  tape<exec_type> t(exec);
  const auto x = uploaded(t, pyramid, {{{3, 5, 4}, std::vector<float>(60)}});
  fails([&] { network(t, x.rows, x); }, "image of 5 x 4: expected multiples of 2 for 2 stages");
  fails([&] { network(t, t.constant(t.saved(20, 4)), x); }, "vgg: image channels: found 4, expected 3");
  vgg<exec_type> trained(exec, few_channels, 1);
  fails([&] { feature_distance<vgg<exec_type>, exec_type>(exec, trained); }, "found parameters in training");
}

BOOST_AUTO_TEST_SUITE_END()

// Its 16 taps a weight matrix, two numbers a normed channel. Convolutions before a batch norm have no bias there: ours
// have 128 + 256 + 512 more.
BOOST_AUTO_TEST_CASE(the_discriminator_has_the_size_of_latent_diffusions) {
  exec_type exec;
  discriminator<exec_type> d(exec, 3, 2, {}, 1);
  BOOST_TEST(d.parameters().count() == 2765633 + 128 + 256 + 512);
}

BOOST_AUTO_TEST_CASE(a_score_stands_for_each_patch_and_an_image_is_judged_alone) {
  exec_type exec;
  discriminator<exec_type> d(exec, 3, 2, {.channels = 4, .halvings = 2, .groups = 2}, 1);
  pixel_pyramid pyramid({3, 3}, {2, 2}, 1);
  std::vector<image> images;
  for (index_t side : {8, 12}) {
    image i{{3, side, side}, {}};
    for (index_t v = 0; v < i.shape.size(); ++v)
      i.values.push_back(static_cast<float>(std::sin(static_cast<double>(v * (side - 7)))));
    images.push_back(i);
  }
  const auto scores = [&](const std::vector<image>& some) {
    tape<exec_type> t(exec, recording::off);
    const auto x = uploaded(t, pyramid, some);
    return transfusion::testing::on_host(exec, d(t, x.rows, d.levels(t, x)).value());
  };
  const auto both = scores(images), first = scores({images[0]}), second = scores({images[1]});
  BOOST_TEST(first.size() == 4u);   // 8 / 4 squared
  BOOST_TEST(second.size() == 9u);  // 12 / 4 squared
  auto joined = first;
  joined.insert(joined.end(), second.begin(), second.end());
  BOOST_TEST(both == joined, boost::test_tools::per_element());
}
