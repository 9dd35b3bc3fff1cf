// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE autoencoder_autoencoder
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "support/temporary_folder.hpp"
#include "transfusion/autoencoder/frozen.hpp"
#include "transfusion/codec/outer.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/testing/compare.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/testing/poisoned.hpp"

using namespace transfusion;
using transfusion::testing::on_host;

namespace {

using exec_type = reference_exec<double>;
constexpr random_key key{5, 0, stream::noise};

const autoencoder_options small{
    .channels = 2, .latent_channels = 3, .level_channels = {4, 6}, .blocks = 1, .groups = 2, .axes = 2};
const bottleneck::codebook::options few_codes{.codes = 7, .commitment = 0.25};

image picture(image_shape shape, int number) {
  image i{shape, {}};
  for (index_t v = 0; v < shape.size(); ++v)
    i.values.push_back(static_cast<float>(std::sin(0.37 * static_cast<double>(v * (number + 2)) + number)));
  return i;
}
const std::vector<image> pictures{picture({2, 4, 6}, 0), picture({2, 2, 2}, 1)};

/// Weights as after some training: no layer starts as nothing.
template <class Model>
void shake(Model& m) {
  std::uint32_t number = 0;
  m.parameters().each([&](auto p) {
    const auto deviation = 1 / std::sqrt(static_cast<double>(p.cols()));
    if (p.size() > 1) m.exec().normal(p.master(), {31, number++, stream::test}, p.rows() > 1 ? deviation : 0.5);
  });
  m.parameters().refresh();
}

template <class Error, class F>
void fails(const F& f, const std::string& part) {
  BOOST_CHECK_EXCEPTION(f(), Error, [&](const Error& e) {
    BOOST_TEST_MESSAGE(e.what());
    return std::string(e.what()).find(part) != std::string::npos;
  });
}

/// The squared error of the reconstruction and the weighted loss of the bottleneck, placed on a tape.
template <class Model, class Exec>
double squared_loss(const Model& m, tape<Exec>& t, std::span<const image> images, double bottleneck_weight) {
  const auto x = m.upload(t, images);
  const auto made = m.reconstruct(t, x, bottleneck_weight, key);
  const auto flat = unpatchify(t, made.pixels, x.places, {}, x.values.size());
  const std::vector<double> each(images.size(), 1.0 / static_cast<double>(images.size()));
  const auto losses =
      on_host(t.exec(), pointwise_error(t, error_kind::squared, flat, x.values, x.places, t.upload(each)));
  const auto inner = on_host(t.exec(), made.bottleneck.losses);
  double total = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const double per_value =
        Model::bottleneck_type::default_weight == 1 ? 1 : static_cast<double>(images[i].values.size());
    total += (losses[i] + bottleneck_weight * inner[i] / per_value) / static_cast<double>(images.size());
  }
  return total;
}

}  // namespace

// stabilityai/sd-vae-ft-mse, which has this layout with 4 latent channels, holds 83,653,863 numbers.
BOOST_AUTO_TEST_CASE(the_papers_size_is_that_of_latent_diffusions) {
  using exec = exec_type;
  autoencoder_options o = paper_autoencoder();
  const auto count = [&](index_t latent_channels) {
    o.latent_channels = latent_channels;
    parameter_set<exec> set;
    const index_t width = bottleneck::gaussian::layer<exec>::width(latent_channels);
    const layer::image_encoder<exec> encoder(set, "encoder", o, width);
    const layer::linear<exec> to(set, "to", width, width, bias::on),
        from(set, "from", latent_channels, latent_channels, bias::on);
    const layer::image_decoder<exec> decoder(set, "decoder", o);
    return set.count();
  };
  o = small;  // put together from the same parts
  exec e;
  BOOST_TEST(count(3) == vae<exec>(e, small, 1).parameters().count());
  o = paper_autoencoder();
  BOOST_TEST(count(4) == 83653863);
  BOOST_TEST(count(8) == 83709419);  // the paper's 8 channels
  BOOST_TEST((latent_shape({3, 256, 256}, o) == image_shape{8, 32, 32}));
}

// Loss and way back of the whole VAE against differences, along a direction in each parameter: for signals, images and
// volumes.
BOOST_AUTO_TEST_CASE(every_parameter_of_a_vae_has_its_gradient) {
  for (index_t axes = 1; axes <= 3; ++axes) {
    using exec = transfusion::testing::poisoned<exec_type>;
    exec e;
    autoencoder_options o = small;
    o.axes = axes;
    const std::vector<image> pictures{picture({2, axes < 2 ? 1 : 4, 6, axes < 3 ? 1 : 2}, 0),
                                      picture({2, axes < 2 ? 1 : 2, 2, axes < 3 ? 1 : 2}, 1)};
    vae<exec> m(e, o, 1);
    shake(m);
    const auto report = transfusion::testing::directional_check(
        m, [&](auto& t) { return squared_loss(m, t, pictures, 0.3); }, {17, 0, stream::test});
    BOOST_CHECK_MESSAGE(report.within(1e-7), report.text());
    BOOST_TEST(report.checked == m.parameters().size());
  }
}

// The codebook's gradient is that of its own loss alone; the encoder's is what the decoder asks of the latents,
// unchanged, beside its commitment.
BOOST_AUTO_TEST_CASE(a_codebook_learns_from_its_own_loss_and_the_encoder_from_the_decoders) {
  exec_type e;
  vq_vae<exec_type> m(e, small, 1, few_codes);
  shake(m);
  m.parameters().allocate_gradients();
  tape<exec_type> t(e);
  const auto x = m.upload(t, std::span<const image>(pictures));
  const auto made = m.encode(t, x);
  // The same rows with a step on the way back that keeps their gradient.
  const auto encoded = t.variable_over(made.value());
  const auto kept = t.saved(encoded.rows(), encoded.cols());
  t.on_backward([=](auto& b) { b.exec().copy(kept.flat(), b.gradient(encoded).flat()); });
  const auto through = m.bottleneck()(t, encoded, x, 2.0, key);
  // A root that gives every latent the gradient 1.
  const std::vector<double> ones(static_cast<std::size_t>(through.latents.value().size()), -1);
  const std::vector<image_place> one{{0, 0, {1, 1, static_cast<index_t>(ones.size())}}};
  const std::vector<double> all{static_cast<double>(ones.size())};
  pointwise_error(t, error_kind::linear, through.latents, t.upload(ones), t.upload(one), t.upload(all));
  const auto z = on_host(e, encoded.value().flat()), codes = on_host(e, m.bottleneck().codes.master());
  const auto chosen = on_host(e, through.codes);
  t.backward();
  // Closed forms: of codes 2·(e - z)·weight/(images · values of its latent), summed over the rows that chose them.
  std::vector<double> expected(codes.size(), 0);
  const index_t rows_of_first = 2 * 3, width = 3;
  for (std::size_t r = 0; r < chosen.size(); ++r) {
    const double values = static_cast<double>(width) * (static_cast<index_t>(r) < rows_of_first ? 6 : 1);
    for (std::size_t c = 0; c < 3; ++c) {
      const std::size_t at = static_cast<std::size_t>(chosen[r]) * 3 + c;
      expected[at] += 2.0 * 2 * (codes[at] - z[r * 3 + c]) / (2 * values);
    }
  }
  const auto of_encoder = on_host(e, kept.flat());
  for (std::size_t i = 0; i < z.size(); ++i) {
    const double values = i / 3 < 6 ? 18 : 3;
    const double nearest = codes[static_cast<std::size_t>(chosen[i / 3]) * 3 + i % 3];
    BOOST_TEST(of_encoder[i] == 1 + 0.25 * 2.0 * 2 * (z[i] - nearest) / (2 * values),
               boost::test_tools::tolerance(1e-9));
  }
  const auto found = on_host(e, m.bottleneck().codes.flat_gradient());
  for (std::size_t i = 0; i < found.size(); ++i)
    BOOST_TEST(found[i] == expected[i], boost::test_tools::tolerance(1e-9));
  // Each row chose the nearest of all codes.
  for (std::size_t r = 0; r < chosen.size(); ++r) {
    std::vector<double> distance(7, 0);
    for (std::size_t k = 0; k < 7; ++k)
      for (std::size_t c = 0; c < 3; ++c) distance[k] += std::pow(codes[k * 3 + c] - z[r * 3 + c], 2);
    BOOST_TEST(std::distance(distance.begin(), std::min_element(distance.begin(), distance.end())) == chosen[r]);
  }
}

BOOST_AUTO_TEST_CASE(the_divergence_and_its_share_are_those_of_the_closed_form) {
  exec_type e;
  vae<exec_type> m(e, small, 1);
  shake(m);
  tape<exec_type> t(e);
  const auto x = m.upload(t, std::span<const image>(pictures));
  const auto encoded = m.encode(t, x);
  const auto through = m.bottleneck()(t, encoded, x, 1, key);
  const auto moments = on_host(e, encoded.value().flat()), found = on_host(e, through.losses);
  std::vector<double> expected(2, 0);
  for (std::size_t r = 0; r < moments.size() / 6; ++r)
    for (std::size_t c = 0; c < 3; ++c) {
      const double mean = moments[r * 6 + c], log_variance = moments[r * 6 + 3 + c];
      expected[r < 6 ? 0 : 1] += 0.5 * (mean * mean + std::exp(log_variance) - 1 - log_variance);
    }
  for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(found[i] == expected[i], boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_file_brings_a_frozen_coder_back, Bottleneck,
                              decltype(std::tuple<bottleneck::gaussian, bottleneck::codebook>())) {
  test_support::folder folder;
  exec_type e;
  typename Bottleneck::options inner;
  if constexpr (requires { inner.codes; }) inner = few_codes;
  auto trained = std::make_unique<autoencoder<Bottleneck, exec_type>>(e, small, 1, inner);
  shake(*trained);
  const latent_scale scale{{0.5, -1, 0}, {2, 3, 0.5}};
  const bool scaled = !frozen_autoencoder<Bottleneck, exec_type>::discrete;
  save_autoencoder(folder / "coder.safetensors", *trained, scaled ? std::optional(scale) : std::nullopt);
  const frozen_autoencoder<Bottleneck, exec_type> before(std::move(trained),
                                                         scaled ? std::optional(scale) : std::nullopt),
      after(e, folder / "coder.safetensors");
  const auto latents = before.encode(std::span<const image>(pictures));
  BOOST_TEST((latents[0].shape == (image_shape{before.channels(), 2, 3})));
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    BOOST_TEST(after.encode(pictures[i]).values == latents[i].values, boost::test_tools::per_element());
    // Batch and single, there and back.
    BOOST_TEST(after.decode(latents[i]).values == before.decode(std::span<const image>(latents))[i].values,
               boost::test_tools::per_element());
    BOOST_TEST((after.decode(latents[i]).shape == pictures[i].shape));
  }
  // The decoder sees what training showed it: the mean, or the codes' rows.
  tape<exec_type> t(e, recording::off);
  const auto x = after.model().upload(t, std::span<const image>(pictures));
  const auto rows = after.model().decode(t, after.model().bottleneck().latents(t, after.model().encode(t, x)), x);
  const auto pixels = on_host(e, rows.value().flat());
  const auto decoded = after.decode(std::span<const image>(latents));
  for (std::size_t pixel = 0; pixel < 24; ++pixel)
    for (std::size_t c = 0; c < 2; ++c)
      BOOST_TEST(pixels[pixel * 2 + c] == static_cast<double>(decoded[0].values[c * 24 + pixel]),
                 boost::test_tools::tolerance(1e-5));
}

BOOST_AUTO_TEST_CASE(a_coder_stands_in_front_of_any_codec) {
  exec_type e;
  const frozen_autoencoder<bottleneck::gaussian, exec_type> coder(std::make_unique<vae<exec_type>>(e, small, 1));
  static_assert(codec::outer_coder<const frozen_autoencoder<bottleneck::gaussian, exec_type>>);
  const auto latents = codec::encoded({{text{{3}}, pictures[0]}}, coder);
  BOOST_TEST((std::get<image>(latents[0].segments[1]).shape == (image_shape{3, 2, 3})));
  BOOST_TEST((std::get<image>(codec::decoded(latents[0], coder).segments[1]).shape == pictures[0].shape));
}

BOOST_AUTO_TEST_CASE(a_measured_scale_makes_channels_even) {
  exec_type e;
  const frozen_autoencoder<bottleneck::gaussian, exec_type> coder(std::make_unique<vae<exec_type>>(e, small, 1));
  const auto scale = measure_scale(coder, 1, [](index_t) { return pictures; });
  std::vector<double> sums(3, 0), squares(3, 0);
  double count = 0;
  for (image l : coder.encode(std::span<const image>(pictures))) {
    const image kept = l;
    scale.apply(l);
    const std::size_t plane = l.values.size() / 3;
    for (std::size_t i = 0; i < l.values.size(); ++i) {
      sums[i / plane] += l.values[i];
      squares[i / plane] += l.values[i] * l.values[i];
    }
    count += static_cast<double>(plane);
    scale.undo(l);
    for (std::size_t i = 0; i < l.values.size(); ++i) BOOST_TEST(std::abs(l.values[i] - kept.values[i]) < 1e-5);
  }
  for (std::size_t c = 0; c < 3; ++c) {
    BOOST_TEST(std::abs(sums[c] / count) < 1e-5);
    BOOST_TEST(squares[c] / count == 1, boost::test_tools::tolerance(1e-4));
  }
  fails<config_error>([] { latent_statistics(3).scale(); }, "found no latents");
  fails<config_error>(
      [&] {
        latent_scale{{0, 0, 0}, {1, 0, 1}}.require_valid(3);
      },
      "channel 1: found mean 0 and deviation 0");
  test_support::folder folder;
  vae<exec_type> other(e, small, 1);
  fails<config_error>(
      [&] {
        save_autoencoder(folder / "vae.safetensors", other, latent_scale{{0}, {1}});
      },
      "found 1 numbers, expected one for each of 3 latent channels");
  BOOST_TEST(folder.files() == 0);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_named) {
  test_support::folder folder;
  exec_type e;
  vae<exec_type> m(e, small, 1);
  tape<exec_type> t(e);
  const auto upload = [&](const std::vector<image>& images) { m.upload(t, std::span<const image>(images)); };
  fails<shape_error>(
      [&] {
        upload({picture({2, 3, 4}, 0)});
      },
      "image height: found 3, expected a multiple of the downsampling 2");
  fails<shape_error>([&] { upload({picture({3, 4, 4}, 0)}); }, "image channels");
  fails<config_error>([&] { upload({}); }, "found no images");
  fails<config_error>(
      [&] {
        vae<exec_type>(e, {.level_channels = {4, 5}, .groups = 2}, 1);
      },
      "level_channels[1]: found 5, expected a multiple of groups = 2");
  fails<config_error>([&] { vq_vae<exec_type>(e, small, 1, {.codes = 0}); }, "bottleneck.codes: found 0");

  save_autoencoder(folder / "vae.safetensors", m);
  fails<format_error>(
      [&] {
        frozen_autoencoder<bottleneck::codebook, exec_type>(e, std::filesystem::path(folder / "vae.safetensors"));
      },
      "bottleneck: found bottleneck::gaussian, expected bottleneck::codebook");
  autoencoder_options other = small;
  other.latent_channels = 4;
  vae<exec_type> wider(e, other, 1);
  fails<format_error>([&] { load_weights(safetensors_file(folder / "vae.safetensors"), wider); },
                      "latent_channels: found 3, expected 4");
  const frozen_autoencoder<bottleneck::gaussian, exec_type> coder(e, std::filesystem::path(folder / "vae.safetensors"));
  fails<config_error>([&] { coder.require_channels(8); }, "codec.channels: found 8, expected 3");
  fails<shape_error>([&] { coder.decode(picture({2, 2, 2}, 0)); }, "latent channels");
  const frozen_autoencoder<bottleneck::codebook, exec_type> codes(
      std::make_unique<vq_vae<exec_type>>(e, small, 1, few_codes));
  for (const float code : {7.0f, -1.0f, 0.5f})
    fails<config_error>([&] { codes.decode(image{{1, 1, 1}, {code}}); }, "expected a whole number below 7");
}
