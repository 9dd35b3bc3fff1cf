// SPDX-License-Identifier: Apache-2.0
// The code of docs/autoencoders.md, compiled and used. tests/docs/snippets_test.cpp compares the text.
#define BOOST_TEST_MODULE docs_autoencoders
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "support/temporary_folder.hpp"

// snippet: train
#include <transfusion/autoencoder.hpp>
#include <transfusion/chameleon.hpp>
#include <transfusion/model.hpp>

namespace tf = transfusion;

/// A VAE of pictures: a pixel of the latent stands for 4 × 4 of the picture's.
template <class Exec, class Source>
void train_vae(Exec& exec, const Source& pictures_of_step, tf::index_t steps, const std::string& path) {
  tf::vae<Exec> model(exec, {.channels = 3, .latent_channels = 4, .level_channels = {8, 16, 16}, .groups = 4}, 1);
  tf::vgg<Exec> features(exec, {.stages = {{8}, {16}}}, 2);  // or lpips_vgg16(), and load("vgg16.safetensors")
  features.parameters().freeze("");

  tf::autoencoder_training how;  // weights of the losses: the paper's
  how.steps = steps;
  how.warmup = steps / 10;
  how.peak_rate = 1e-3;
  how.adversarial_from = steps / 2;
  how.discriminator = {.channels = 8, .halvings = 2, .groups = 4};
  how.checkpoint_path = path;
  tf::autoencoder_trainer trainer(model, how, features);
  trainer.run(pictures_of_step);
  trainer.measure_latents(10, pictures_of_step);
  trainer.save();
}
// end of snippet

// snippet: latents
#include <transfusion/codec/outer.hpp>

/// Documents with latents for their pictures.
template <class Exec>
std::vector<tf::document> with_latents(Exec& exec, const std::string& path, std::vector<tf::document> documents) {
  const tf::frozen_autoencoder<tf::bottleneck::gaussian, Exec> coder(exec, path);
  coder.require_channels(4);  // what the model's codec is told
  return tf::codec::encoded(std::move(documents), coder);
}
// end of snippet

// snippet: codes
/// Chameleon's sizes for the codes of a VQ-VAE: they stand behind the words.
template <class Exec>
tf::model_config<tf::chameleon> sizes_for(const tf::frozen_autoencoder<tf::bottleneck::codebook, Exec>& coder,
                                          tf::token_t words) {
  const tf::index_t codes = coder.model().bottleneck_options().codes;
  tf::model_config<tf::chameleon> c{.layers = 4, .width = 128, .heads = 4, .vocabulary = words + codes};
  c.codec = {.first = words, .size = codes};
  return c;
}
// end of snippet

// snippet: features
/// The pixels themselves as features: a distance of colours.
struct colours {
  tf::index_t maps() const { return 1; }
  tf::index_t channels(tf::index_t) const { return 3; }
  double weight(tf::index_t, tf::index_t) const { return 1; }

  template <class Exec>
  std::vector<tf::feature_map<Exec>> operator()(tf::tape<Exec>& tape, tf::var<Exec> pixels,
                                                const tf::pixel_batch<Exec>& x) const {
    auto rows = tape.template list<tf::index_t>(x.images());
    for (const tf::image_place& i : x.shapes) rows.push_back(i.shape.size() / i.shape.channels);
    return {{pixels, {rows.data(), x.shapes.size()}}};
  }
};
// end of snippet

namespace {

using exec_type = tf::cpu_exec<float>;

std::vector<tf::image> pictures() {
  std::vector<tf::image> images;
  for (int n = 0; n < 3; ++n) {
    tf::image i{{3, 8, 8}, {}};
    for (int v = 0; v < 192; ++v) i.values.push_back(static_cast<float>(std::sin(0.1 * v * (n + 1))));
    images.push_back(i);
  }
  return images;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_vae_is_trained_and_stands_in_front_of_a_model) {
  const test_support::folder folder;
  exec_type exec(1);
  const std::string path = folder / "vae.safetensors";
  train_vae(
      exec, [](tf::index_t) { return pictures(); }, 4, path);
  const auto images = pictures();
  const auto documents = with_latents(exec, path, {{tf::text{{5}}, images[0]}});
  const tf::frozen_autoencoder<tf::bottleneck::gaussian, exec_type> coder(exec, path);
  BOOST_TEST(coder.scale().has_value());
  const auto& latent = std::get<tf::image>(documents[0].segments[1]);
  BOOST_TEST((latent.shape == tf::image_shape{4, 2, 2}));
  BOOST_TEST((coder.decode(latent).shape == images[0].shape));
}

BOOST_AUTO_TEST_CASE(codes_stand_behind_the_words) {
  exec_type exec(1);
  const tf::frozen_autoencoder<tf::bottleneck::codebook, exec_type> coder(std::make_unique<tf::vq_vae<exec_type>>(
      exec, tf::autoencoder_options{.level_channels = {4, 4}, .groups = 2}, 1, tf::bottleneck::codebook::options{16}));
  const auto sizes = tf::completed(sizes_for(coder, 40));
  BOOST_TEST(sizes.vocabulary == 56);
  BOOST_TEST(sizes.text_vocabulary() == 40);
}

BOOST_AUTO_TEST_CASE(a_feature_network_of_ones_own) {
  static_assert(tf::feature_network<colours, exec_type>);
  exec_type exec(1);
  tf::vae<exec_type> model(exec, {.channels = 3, .latent_channels = 2, .level_channels = {4}, .groups = 2}, 1);
  tf::autoencoder_training how;
  how.steps = 1;
  how.warmup = 0;
  how.quiet = true;
  tf::autoencoder_trainer trainer(model, how, colours{});
  const auto report = trainer.step(pictures());
  BOOST_TEST(report.perceptual > 0);
  BOOST_TEST(report.perceptual <= 4);  // of rows of length 1
}
