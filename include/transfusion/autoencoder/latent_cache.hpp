// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "transfusion/autoencoder/frozen.hpp"
#include "transfusion/io/fingerprint.hpp"
#include "transfusion/train/progress.hpp"

namespace transfusion {

/// How the latents of a set are worked out.
struct latent_cache_options {
  index_t batch = 32;  ///< images a pass
  bool quiet = false;  ///< no progress bar
};

/// What latents follow from: the coder's sizes, weights and scale, and the images' shapes and values.
template <class Bottleneck, class Exec>
std::string latent_fingerprint(const frozen_autoencoder<Bottleneck, Exec>& coder, std::span<const image> images) {
  using real = typename Exec::real;
  fingerprint print;
  auto& model = coder.model();
  print.add(detail::autoencoder_json<Bottleneck>(model.options(), model.bottleneck_options()).dump());
  model.parameters().each([&](parameter<Exec> p) {
    std::vector<real> host(static_cast<std::size_t>(p.size()));
    model.exec().download(host.data(), p.master().data, host.size() * sizeof(real));
    print.add(host.data(), host.size() * sizeof(real));
  });
  if (coder.scale())
    for (const auto* numbers : {&coder.scale()->mean, &coder.scale()->deviation})
      print.add(numbers->data(), numbers->size() * sizeof(double));
  for (const image& i : images) {
    const std::array<index_t, 4> shape{i.shape.channels, i.shape.height, i.shape.width, i.shape.depth};
    print.add(shape.data(), sizeof shape).add(i.values.data(), i.values.size() * sizeof(float));
  }
  return print.text();
}

namespace detail {

inline constexpr const char* latents_key = "transfusion.latents";
inline constexpr const char* latent_values = "latents";        ///< one latent behind the other
inline constexpr const char* latent_shapes = "latent.shapes";  ///< [images, 4]: C, H, W, Z

inline std::vector<index_t> shapes_of(const std::vector<image>& latents) {
  std::vector<index_t> shapes;
  for (const image& l : latents)
    shapes.insert(shapes.end(), {l.shape.channels, l.shape.height, l.shape.width, l.shape.depth});
  return shapes;
}
inline index_t size_of(const std::vector<image>& latents) {
  index_t size = 0;
  for (const image& l : latents) size += l.shape.size();
  return size;
}

/// Reads the values of latents whose shapes are known. Throws format_error where the file has others.
inline void read_latents(const safetensors_file& file, std::vector<image>& latents) {
  const std::vector<index_t> expected = shapes_of(latents);
  std::vector<index_t> found(expected.size());
  file.read(latent_shapes, found.data(), static_cast<index_t>(found.size()));
  require<format_error>(found == expected, file.path().string(), ": tensor '", latent_shapes,
                        "': found other shapes than the coder makes of these images");
  std::vector<float> values(static_cast<std::size_t>(size_of(latents)));
  file.read(latent_values, values.data(), static_cast<index_t>(values.size()));
  auto value = values.begin();
  for (image& l : latents) {
    l.values.assign(value, value + l.shape.size());
    value += l.shape.size();
  }
}

/// Encodes batch by batch into the latents and a file, which appears whole or not at all.
template <class Bottleneck, class Exec>
void write_latents(const frozen_autoencoder<Bottleneck, Exec>& coder, std::span<const image> images,
                   const std::filesystem::path& path, const std::string& print, const latent_cache_options& o,
                   std::vector<image>& latents) {
  const std::vector<index_t> shapes = shapes_of(latents);
  const auto count = static_cast<index_t>(images.size());
  safetensors_writer writer(
      path,
      {tensor_info::of<float>(latent_values, {size_of(latents)}), tensor_info::of<index_t>(latent_shapes, {count, 4})},
      {{latents_key, print}});
  writer.write(latent_shapes, shapes.data(), static_cast<index_t>(shapes.size()));
  progress bar("latents", count, 0, o.quiet);
  for (index_t begin = 0; begin < count; begin += o.batch) {
    const index_t end = std::min(begin + o.batch, count);
    auto made = coder.encode(images.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
    for (std::size_t i = 0; i < made.size(); ++i) {
      writer.write(latent_values, made[i].values.data(), static_cast<index_t>(made[i].values.size()));
      latents[static_cast<std::size_t>(begin) + i] = std::move(made[i]);
    }
    bar.update(end, "");
  }
  writer.commit();
}

}  // namespace detail

/// The latents of a set of images, kept on disk: from the file at `path` where its fingerprint is that of this coder
/// and these images, else encoded in batches and written there, atomically, in place of what another coder or other
/// images left. Throws config_error on no images or a batch below 1, shape_error on an image that the coder does not
/// take, io_error where the file cannot be written, all before an image is encoded; format_error, with nothing changed,
/// on a file that holds no latents, or others than it says.
template <class Bottleneck, class Exec>
std::vector<image> cached_latents(const frozen_autoencoder<Bottleneck, Exec>& coder, std::span<const image> images,
                                  const std::filesystem::path& path, const latent_cache_options& o = {}) {
  require<config_error>(!images.empty(), "cached latents: found no images, expected one at least");
  require<config_error>(o.batch > 0, "cached latents: batch: found ", o.batch, ", expected > 0");
  std::vector<image> latents = coder.without_values(images);
  const std::string print = latent_fingerprint(coder, images);
  std::error_code fault;
  if (std::filesystem::exists(path, fault)) {
    const safetensors_file file(path);
    const auto found = file.metadata().find(detail::latents_key);
    require<format_error>(found != file.metadata().end(), path.string(), ": found no metadata \"", detail::latents_key,
                          "\", expected a file of cached latents");
    if (found->second == print) {
      detail::read_latents(file, latents);
      return latents;
    }
  }
  detail::write_latents(coder, images, path, print, o, latents);
  return latents;
}

}  // namespace transfusion
