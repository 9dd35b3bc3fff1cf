// SPDX-License-Identifier: Apache-2.0
#include "support/paired_embedder.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "support/report.hpp"
#include "transfusion/autograd/op/contrastive.hpp"
#include "transfusion/autograd/op/embedding.hpp"
#include "transfusion/autograd/op/patchify.hpp"
#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/io/config_fields.hpp"
#include "transfusion/io/parameter_tensors.hpp"
#include "transfusion/train/adamw.hpp"
#include "transfusion/train/progress.hpp"
#include "transfusion/train/warmup_cosine.hpp"

namespace support {

namespace {

constexpr double first_scale = 1 / 0.07;  // Radford et al. 2021, §2.5
constexpr index_t word_width = 32;
constexpr index_t together = 256;  // bounds the memory of embed
constexpr const char* options_key = "paired_embedder";

embedder_options checked(const embedder_options& o) {
  embedder_options::visit_fields(o, [](const char* name, const auto& value) {
    if constexpr (requires { value.size(); }) {
      tf::require<tf::config_error>(!value.empty(), "paired_embedder.", name, ": found none, expected one at least");
      for (const index_t v : value)
        tf::require<tf::config_error>(v > 0, "paired_embedder.", name, ": found ", v, ", expected > 0");
    } else {
      tf::require<tf::config_error>(value > 0, "paired_embedder.", name, ": found ", value, ", expected > 0");
    }
  });
  tf::require<tf::config_error>(o.picture.depth == 1, "paired_embedder.picture: depth: found ", o.picture.depth,
                                ", expected 1");
  return o;
}

embedder_options stored_options(const tf::safetensors_file& file) {
  const auto found = file.metadata().find(options_key);
  tf::require<tf::format_error>(found != file.metadata().end(), file.path().string(), ": found no metadata \"",
                                options_key, "\": is this a paired embedder?");
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  const std::string where = file.path().string() + ": paired_embedder: ";
  tf::require<tf::format_error>(json.is_object(), where, "found ", found->second, ", expected a JSON object");
  embedder_options o;
  embedder_options::visit_fields(o, tf::detail::field_reader{json, where});
  try {
    return checked(o);
  } catch (const tf::config_error& fault) {
    throw tf::format_error(file.path().string() + ": " + fault.what());
  }
}

tf::initial_value keeping(index_t inputs) { return tf::initial_value::keeping_size(inputs); }

/// The two layers of a tower's end.
std::vector<tf::layer::linear<paired_embedder::exec>> end_of(tf::parameter_set<paired_embedder::exec>& set,
                                                             const std::string& tower, index_t in,
                                                             const embedder_options& o) {
  return {{set, tower + ".hidden", in, o.width, tf::bias::on, keeping(in)},
          {set, tower + ".last", o.width, o.features, tf::bias::on, keeping(o.width)}};
}

/// f(part) of at most `together` elements at a time; what it returns, one behind the other.
template <class T, class F>
std::vector<float> in_parts(std::span<const T> all, F f) {
  std::vector<float> joined;
  for (std::size_t begin = 0; begin < all.size(); begin += together) {
    const auto part = f(all.subspan(begin, std::min<std::size_t>(together, all.size() - begin)));
    joined.insert(joined.end(), part.begin(), part.end());
  }
  return joined;
}

double mean(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

template <class View>
std::vector<float> downloaded(paired_embedder::exec& exec, View device) {
  std::vector<float> host(static_cast<std::size_t>(device.size()));
  exec.download(host.data(), device.data, host.size() * sizeof(float));
  return host;
}

}  // namespace

paired_embedder::paired_embedder(int threads, const embedder_options& o, std::uint64_t seed)
    : exec_(threads), options_(checked(o)), pyramid_({3, 3}, {2, 2}, std::ssize(o.channels) + 1) {
  index_t in = o.picture.channels;
  tf::patch_grid grid{o.picture.height, o.picture.width};
  for (const index_t out : o.channels) {
    const std::string name = "picture.convolution." + std::to_string(convolutions_.size());
    convolutions_.emplace_back(parameters_, name, 9, in, out);
    grid = tf::strided(grid, {2, 2});
    in = out;
  }
  picture_layers_ = end_of(parameters_, "picture", grid.patches() * in, o);
  words_ = parameters_.declare("caption.words", {o.vocabulary, word_width}, tf::initial_value::normal(1));
  caption_layers_ = end_of(parameters_, "caption", o.words * word_width, o);
  scale_ = parameters_.declare("scale", {1, 1}, tf::initial_value::ones(), tf::decay::off);
  parameters_.allocate(exec_, seed);
}

paired_embedder::paired_embedder(int threads, const std::filesystem::path& path)
    : paired_embedder(threads, tf::safetensors_file(path)) {}

paired_embedder::paired_embedder(int threads, const tf::safetensors_file& file)
    : paired_embedder(threads, stored_options(file), 0) {
  parameters_.each([&](tf::parameter<exec> p) { tf::detail::check_tensor<exec>(file, p.name(), p); });
  parameters_.each(
      [&](tf::parameter<exec> p) { tf::detail::read_tensor<exec>(file, exec_, p.name(), p, parameters_.values()); });
  parameters_.refresh();
}

auto paired_embedder::picture_tower(tf::tape<exec>& tape, std::span<const tf::image> pictures) -> var {
  const index_t count = std::ssize(pictures), size = options_.picture.size();
  std::vector<float> values;
  std::vector<tf::image_place> places;
  for (const tf::image& p : pictures) {
    tf::require<tf::shape_error>(
        p.shape == options_.picture && std::ssize(p.values) == size, "paired_embedder: picture: found ",
        p.shape.channels, " x ", p.shape.height, " x ", p.shape.width, " with ", p.values.size(), " values, expected ",
        options_.picture.channels, " x ", options_.picture.height, " x ", options_.picture.width);
    places.push_back({std::ssize(values), std::ssize(places) * size / p.shape.channels, p.shape});
    values.insert(values.end(), p.values.begin(), p.values.end());
  }
  const auto levels = pyramid_.build(tape, std::span<const tf::image_place>(places));
  auto h =
      patchify(tape, tape.upload(values), tape.upload(places), levels.front().rows(), {}, options_.picture.channels);
  for (std::size_t i = 0; i < convolutions_.size(); ++i) h = silu(tape, convolutions_[i](tape, h, levels[i].halved));
  h = silu(tape, picture_layers_[0](tape, reshape(tape, h, count)));
  return picture_layers_[1](tape, h);
}

auto paired_embedder::caption_tower(tf::tape<exec>& tape, std::span<const std::vector<tf::token_t>> captions) -> var {
  std::vector<tf::token_t> ids;
  for (const auto& caption : captions) {
    tf::require<tf::config_error>(std::ssize(caption) <= options_.words, "paired_embedder: caption: found ",
                                  caption.size(), " tokens, expected at most ", options_.words);
    for (const tf::token_t t : caption)
      tf::require<tf::config_error>(t >= 0 && t < options_.vocabulary, "paired_embedder: caption: found token ", t,
                                    ", expected 0 to ", options_.vocabulary - 1);
    ids.insert(ids.end(), caption.begin(), caption.end());
    ids.resize(ids.size() + static_cast<std::size_t>(options_.words) - caption.size(), tf::ignored);
  }
  const auto words = embedding(tape, tape.upload(ids), words_);
  const auto h = silu(tape, caption_layers_[0](tape, reshape(tape, words, std::ssize(captions))));
  return caption_layers_[1](tape, h);
}

double paired_embedder::train(const std::function<std::vector<captioned_picture>(index_t step)>& pairs_of,
                              const embedder_training& how) {
  const tf::warmup_cosine rate{how.rate, how.rate / 50, std::min<index_t>(100, how.steps / 10), how.steps};
  tf::adamw<exec> optimiser(exec_, parameters_, {.beta2 = 0.99, .weight_decay = 0.1});
  tf::tape<exec> tape(exec_);
  tf::progress bar("embedder", how.steps, 0, how.quiet);
  double loss = 0;
  for (index_t step = 0; step < how.steps; ++step) {
    std::vector<tf::image> pictures;
    std::vector<std::vector<tf::token_t>> captions;
    for (auto& [picture, caption] : pairs_of(step)) {
      pictures.push_back(std::move(picture));
      captions.push_back(std::move(caption));
    }
    tf::require<tf::config_error>(!pictures.empty(), "paired_embedder: step ", step,
                                  ": found no pairs, expected one at least");
    tape.reset();
    const auto losses =
        contrastive_loss(tape, picture_tower(tape, pictures), caption_tower(tape, captions), first_scale, scale_);
    tape.backward();
    optimiser.step(step, rate(step));
    loss = (mean(downloaded(exec_, losses.images)) + mean(downloaded(exec_, losses.texts))) / 2;
    bar.update(step + 1, "loss " + fixed(loss, 3));
  }
  return loss;
}

std::vector<float> paired_embedder::embed(std::span<const tf::image> pictures) {
  tf::tape<exec> tape(exec_, tf::recording::off);
  return in_parts(pictures, [&](auto part) {
    tape.reset();
    return downloaded(exec_, picture_tower(tape, part).value());
  });
}

std::vector<float> paired_embedder::embed(std::span<const std::vector<tf::token_t>> captions) {
  tf::tape<exec> tape(exec_, tf::recording::off);
  return in_parts(captions, [&](auto part) {
    tape.reset();
    return downloaded(exec_, caption_tower(tape, part).value());
  });
}

void paired_embedder::save(const std::filesystem::path& path) {
  nlohmann::json json;
  embedder_options::visit_fields(options_, tf::detail::field_writer{json});
  std::vector<tf::tensor_info> tensors;
  parameters_.each([&](tf::parameter<exec> p) { tensors.push_back(tf::tensor_info::of<float>(p.name(), p.shape())); });
  tf::safetensors_writer writer(path, std::move(tensors), {{options_key, json.dump()}});
  parameters_.each([&](tf::parameter<exec> p) { tf::detail::write_tensor<exec>(writer, exec_, p.name(), p.master()); });
  writer.commit();
}

}  // namespace support
