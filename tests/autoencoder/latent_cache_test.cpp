// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autoencoder_latent_cache
#include "transfusion/autoencoder/latent_cache.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <memory>

#include "support/temporary_folder.hpp"
#include "transfusion/exec/reference.hpp"

using namespace transfusion;

namespace {

using exec_type = reference_exec<float>;
using coder_type = frozen_autoencoder<bottleneck::gaussian, exec_type>;

const autoencoder_options small{
    .channels = 1, .latent_channels = 2, .level_channels = {2, 2}, .blocks = 1, .groups = 1, .axes = 2};
const latent_scale some_scale{{0.1, -0.2}, {0.5, 2}};

image picture(index_t height, index_t width, double from) {
  image i{{1, height, width}, {}};
  for (index_t v = 0; v < i.shape.size(); ++v)
    i.values.push_back(static_cast<float>(std::sin(from + 0.7 * static_cast<double>(v))));
  return i;
}

struct cache_fixture {
  test_support::folder folder;
  exec_type exec;
  std::filesystem::path path = folder / "latents.safetensors";
  std::vector<image> images{picture(4, 4, 0), picture(2, 6, 1), picture(4, 4, 2)};
  latent_cache_options quiet{.batch = 2, .quiet = true};

  coder_type coder(std::uint64_t seed, std::optional<latent_scale> scale = some_scale) {
    return coder_type(std::make_unique<vae<exec_type>>(exec, small, seed), std::move(scale));
  }
  std::vector<image> latents(const coder_type& c) {
    return cached_latents(c, std::span<const image>(images), path, quiet);
  }
  std::string stored() { return safetensors_file(path).metadata().at("transfusion.latents"); }
};

template <class Error, class F>
void fails(const F& f, const std::string& part) {
  BOOST_CHECK_EXCEPTION(f(), Error, [&](const Error& e) {
    BOOST_TEST_MESSAGE(e.what());
    return std::string(e.what()).find(part) != std::string::npos;
  });
}

void check_equal(const std::vector<image>& found, const std::vector<image>& expected) {
  BOOST_TEST_REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    BOOST_TEST((found[i].shape == expected[i].shape));
    BOOST_TEST(found[i].modality == expected[i].modality);
    BOOST_TEST(found[i].values == expected[i].values, boost::test_tools::per_element());
  }
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(latent_cache, cache_fixture)

BOOST_AUTO_TEST_CASE(latents_are_the_coders_from_the_first_call_and_from_the_file) {
  const auto c = coder(1);
  images[1].modality = 3;
  std::vector<image> expected;
  for (const image& i : images) expected.push_back(c.encode(i));
  check_equal(latents(c), expected);
  // A mark in the file comes back: the second call has read it, and encoded nothing.
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const float mark = 42;
  file.seekp(-static_cast<std::streamoff>(sizeof mark), std::ios::end);
  file.write(reinterpret_cast<const char*>(&mark), sizeof mark);
  file.close();
  expected.back().values.back() = mark;
  check_equal(latents(c), expected);
  BOOST_TEST(folder.files() == 1);
}

BOOST_AUTO_TEST_CASE(another_coder_scale_or_image_is_encoded_anew) {
  latents(coder(1));
  std::vector<std::string> prints{stored()};
  const auto renewed = [&](const coder_type& c) {
    const auto found = latents(c);
    BOOST_TEST(found.front().values == c.encode(images.front()).values, boost::test_tools::per_element());
    for (const std::string& before : prints) BOOST_TEST(stored() != before);
    prints.push_back(stored());
  };
  renewed(coder(2));
  renewed(coder(2, std::nullopt));
  renewed(coder(2, latent_scale{{0.1, -0.2}, {0.5, 3}}));
  images[0].values[5] += 0.25f;
  renewed(coder(2));
  std::swap(images[0], images[2]);
  renewed(coder(2));
  BOOST_TEST(folder.files() == 1);
}

BOOST_AUTO_TEST_CASE(faults_are_named_and_change_nothing) {
  const auto c = coder(1);
  safetensors_writer other(path, {tensor_info::of<float>("weights", {0})});
  other.commit();
  fails<format_error>([&] { latents(c); }, "latents.safetensors: found no metadata \"transfusion.latents\"");
  BOOST_TEST((safetensors_file(path).find("weights") != nullptr));
  {
    safetensors_writer damaged(
        path, {tensor_info::of<float>("latents", {0}), tensor_info::of<index_t>("latent.shapes", {3, 4})},
        {{"transfusion.latents", latent_fingerprint(c, std::span<const image>(images))}});
    const std::vector<index_t> none(12);
    damaged.write("latent.shapes", none.data(), 12);
    damaged.commit();
  }
  fails<format_error>([&] { latents(c); }, "found other shapes");
  path = folder.path / "none" / "latents.safetensors";
  fails<io_error>([&] { latents(c); }, "none");
  images[1] = picture(3, 4, 0);
  fails<shape_error>([&] { latents(c); }, "height: found 3");
  quiet.batch = 0;
  fails<config_error>([&] { latents(c); }, "batch: found 0");
  images.clear();
  fails<config_error>([&] { latents(c); }, "no images");
}

BOOST_AUTO_TEST_SUITE_END()

// Published: the empty text's offset basis, and "a" and "foobar" in the FNV test vectors.
BOOST_AUTO_TEST_CASE(fingerprints_are_fnv_1a) {
  BOOST_TEST(fingerprint().text() == "cbf29ce484222325");
  BOOST_TEST(fingerprint().add("a").text() == "af63dc4c8601ec8c");
  BOOST_TEST(fingerprint().add("foo").add("bar").text() == "85944171f73967e8");
}
