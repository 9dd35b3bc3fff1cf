// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "transfusion/autoencoder/feature_network.hpp"
#include "transfusion/autograd/op/leaky_relu.hpp"
#include "transfusion/autograd/op/max_pool.hpp"
#include "transfusion/exec/concepts.hpp"
#include "transfusion/io/safetensors.hpp"
#include "transfusion/layer/linear.hpp"

namespace transfusion {

/// Sizes of a network of VGG's kind (Simonyan & Zisserman 2015).
struct vgg_options {
  index_t image_channels = 3;
  /// A stage is a row of 3 × 3 convolutions with these channels; the next one works on half the pixels.
  std::vector<std::vector<index_t>> stages{{64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}};
  /// How pixels in [-1, 1] go in: (x - shift) / scale, channel by channel; empty: as they are. Those of LPIPS stand in
  /// `lpips_vgg16`.
  std::vector<double> shift{}, scale{};
};

/// VGG-16 as LPIPS reads it (Zhang et al. 2018; richzhang/PerceptualSimilarity, lpips/lpips.py, ScalingLayer).
inline vgg_options lpips_vgg16() { return {.shift = {-0.030, -0.088, -0.188}, .scale = {0.458, 0.448, 0.450}}; }

/// 3 × 3 convolutions with ReLU, stage by stage, with max pooling between; its feature maps are what the stages end
/// with. A feature_network once its parameters are frozen: by weights from a file, or after training as the body of a
/// classifier.
template <execution_policy Exec>
class vgg {
 public:
  using real = typename Exec::real;

  /// Throws config_error on a size below 1, or a shift or scale of other channels than the image.
  vgg(Exec& exec, const vgg_options& o, std::uint64_t seed)
      : exec_(&exec),
        options_((require_valid(o), o)),
        windows_({3, 3}, {2, 2}, static_cast<index_t>(o.stages.size()), pyramid_tables::windows),
        pools_({2, 2}, {2, 2}, static_cast<index_t>(o.stages.size()), pyramid_tables::halvings) {
    if (!o.scale.empty())
      input_.emplace_back(inputs_, "input", o.image_channels, o.image_channels, bias::on, initial_value::zeros());
    index_t in = o.image_channels, place = 0;  // torchvision's: convolution, ReLU, …, pooling
    for (const auto& stage : o.stages) {
      auto& convolutions = stages_.emplace_back();
      for (index_t out : stage) {
        const auto he = initial_value::normal(std::sqrt(2.0 / static_cast<double>(9 * in)));
        convolutions.emplace_back(parameters_, "features." + std::to_string(place), 9, in, out, he);
        in = out;
        place += 2;
      }
      ++place;
      weights_.emplace_back(static_cast<std::size_t>(in), 1.0);
    }
    parameters_.allocate(exec, seed);
    set_input();
  }
  vgg(const vgg&) = delete;
  vgg& operator=(const vgg&) = delete;

  /// Reads weights as torchvision names and stores them (`features.0.weight` [out, in, 3, 3], F32), and freezes them.
  /// Throws format_error, with nothing changed, on a file that does not fit.
  void load(const std::filesystem::path& path);
  /// Reads the weights of channels as LPIPS stores them (`lin0.model.1.weight` [1, C, 1, 1], F32). Throws likewise, on
  /// a negative weight as well.
  void load_channel_weights(const std::filesystem::path& path);

  index_t maps() const { return static_cast<index_t>(stages_.size()); }
  index_t channels(index_t map) const { return options_.stages[static_cast<std::size_t>(map)].back(); }
  double weight(index_t map, index_t channel) const {
    return weights_[static_cast<std::size_t>(map)][static_cast<std::size_t>(channel)];
  }

  /// Whether no parameter is in training.
  bool frozen() const { return parameters_.trained().empty(); }

  /// pixels: [N, C] of the images of x, in [-1, 1]. Throws shape_error on other channels, or a side that is no multiple
  /// of 2^(stages - 1): pooling would have to round.
  std::vector<feature_map<Exec>> operator()(tape<Exec>& tape, var<Exec> pixels, const pixel_batch<Exec>& x) const {
    require_extent("vgg: image channels", pixels.cols(), options_.image_channels);
    const index_t whole = index_t{1} << (stages_.size() - 1);
    for (const image_place& i : x.shapes)
      require<shape_error>(i.shape.height % whole == 0 && i.shape.width % whole == 0 && i.shape.depth == 1,
                           "vgg: image of ", i.shape.height, " x ", i.shape.width, ": expected multiples of ", whole,
                           " for ", stages_.size(), " stages");
    const auto windows = windows_.build(tape, x.shapes), pools = pools_.build(tape, x.shapes);
    std::vector<patch_grid> grids;
    for (const image_place& i : x.shapes) grids.push_back({i.shape.height, i.shape.width, i.shape.depth});
    auto h = input_.empty() ? pixels : input_.front()(tape, pixels);
    std::vector<feature_map<Exec>> maps;
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      if (s > 0) {
        h = max_pool(tape, h, pools[s - 1].halved);
        for (patch_grid& g : grids) g = strided(g, {2, 2});
      }
      for (const auto& c : stages_[s]) h = leaky_relu(tape, c(tape, h, windows[s].window), 0);
      auto rows = tape.template list<index_t>(x.images());
      for (const patch_grid& g : grids) rows.push_back(g.patches());
      maps.push_back({h, {rows.data(), grids.size()}});
    }
    return maps;
  }

  parameter_set<Exec>& parameters() { return parameters_; }

 private:
  static void require_valid(const vgg_options& o) {
    require<config_error>(o.image_channels > 0, "vgg.image_channels: found ", o.image_channels, ", expected > 0");
    require<config_error>(!o.stages.empty(), "vgg.stages: found none, expected one at least");
    for (std::size_t s = 0; s < o.stages.size(); ++s) {
      require<config_error>(!o.stages[s].empty(), "vgg.stages[", s, "]: found no convolution, expected one at least");
      for (index_t channels : o.stages[s])
        require<config_error>(channels > 0, "vgg.stages[", s, "]: found ", channels, " channels, expected > 0");
    }
    const auto of_image = [&](const char* name, const std::vector<double>& values) {
      require<config_error>(values.size() == o.scale.size() &&
                                (values.empty() || static_cast<index_t>(values.size()) == o.image_channels),
                            "vgg.", name, ": found ", values.size(), " numbers, expected one a channel, ",
                            o.image_channels, ", in shift and scale");
    };
    of_image("shift", o.shift);
    of_image("scale", o.scale);
  }

  /// The input's diagonal matrix.
  void set_input() {
    if (input_.empty()) return;
    inputs_.allocate(*exec_, 0);
    const auto n = static_cast<std::size_t>(options_.image_channels);
    std::vector<real> matrix(n * n), offset(n);
    for (std::size_t c = 0; c < n; ++c) {
      matrix[c * n + c] = static_cast<real>(1 / options_.scale[c]);
      offset[c] = static_cast<real>(-options_.shift[c] / options_.scale[c]);
    }
    write(input_.front().weight, matrix);
    write(input_.front().offset, offset);
    inputs_.freeze("");
    inputs_.refresh();
  }
  void write(parameter<Exec> p, const std::vector<real>& values) const {
    exec_->upload(p.master().data, values.data(), values.size() * sizeof(real));
  }

  static std::vector<float> read(const safetensors_file& file, const std::string& name,
                                 const std::vector<index_t>& shape) {
    std::vector<float> values(static_cast<std::size_t>(*checked_product(shape)));
    file.read(name, values.data(), static_cast<index_t>(values.size()));
    const auto text = [](const std::vector<index_t>& extents) {
      std::string list;
      for (index_t e : extents) list += (list.empty() ? "[" : ", ") + std::to_string(e);
      return list + "]";
    };
    require<format_error>(file.find(name)->shape == shape, file.path().string(), ": tensor '", name, "': found shape ",
                          text(file.find(name)->shape), ", expected ", text(shape));
    return values;
  }

  Exec* exec_;
  vgg_options options_;
  mutable pixel_pyramid windows_, pools_;  ///< keep nothing between passes but their memory
  parameter_set<Exec> parameters_, inputs_;
  std::vector<layer::linear<Exec>> input_;  ///< one or none
  std::vector<std::vector<layer::convolution<Exec>>> stages_;
  std::vector<std::vector<double>> weights_;  ///< of each map's channels
};

template <execution_policy Exec>
void vgg<Exec>::load(const std::filesystem::path& path) {
  const safetensors_file file(path);
  std::vector<std::vector<real>> tensors;
  parameters_.each([&](parameter<Exec> p) {
    const bool is_bias = p.shape().size() == 1;
    const index_t out = p.shape()[0], in = is_bias ? 1 : p.shape()[2];
    const auto found = read(file, p.name(), is_bias ? p.shape() : std::vector<index_t>{out, in, 3, 3});
    auto& values = tensors.emplace_back();
    const index_t taps = is_bias ? 1 : 9;
    for (index_t o = 0; o < out; ++o)  // [out, in, taps] becomes [out, taps, in]
      for (index_t t = 0; t < taps; ++t)
        for (index_t i = 0; i < in; ++i)
          values.push_back(static_cast<real>(found[static_cast<std::size_t>((o * in + i) * taps + t)]));
  });
  auto next = tensors.begin();
  parameters_.each([&](parameter<Exec> p) { write(p, *next++); });
  parameters_.refresh();
  parameters_.freeze("");
}

template <execution_policy Exec>
void vgg<Exec>::load_channel_weights(const std::filesystem::path& path) {
  const safetensors_file file(path);
  std::vector<std::vector<double>> all;
  for (index_t m = 0; m < maps(); ++m) {
    const std::string name = "lin" + std::to_string(m) + ".model.1.weight";
    const auto values = read(file, name, {1, channels(m), 1, 1});
    for (float v : values)
      require<format_error>(v >= 0, file.path().string(), ": tensor '", name, "': found ", v, ", expected >= 0");
    all.emplace_back(values.begin(), values.end());
  }
  weights_ = std::move(all);
}

}  // namespace transfusion
