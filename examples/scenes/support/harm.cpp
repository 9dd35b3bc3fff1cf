// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/harm.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace scenes {

namespace {
using tf::index_t;

/// Weights of a Gaussian at −reach to reach, whose sum is 1.
std::vector<double> gaussian(double deviation, index_t reach) {
  std::vector<double> weights;
  double sum = 0;
  for (index_t i = -reach; i <= reach; ++i) {
    weights.push_back(std::exp(-static_cast<double>(i * i) / (2 * deviation * deviation)));
    sum += weights.back();
  }
  for (double& w : weights) w /= sum;
  return weights;
}

/// Blurs the values that lie `stride` apart, `count` of them from the first on. Beyond an end its value goes on.
void blur_line(float* first, index_t count, index_t stride, const std::vector<double>& weights) {
  const index_t reach = std::ssize(weights) / 2;
  std::vector<float> line;
  for (index_t i = 0; i < count; ++i) line.push_back(first[i * stride]);
  for (index_t i = 0; i < count; ++i) {
    double sum = 0;
    for (index_t k = -reach; k <= reach; ++k)
      sum += weights[static_cast<std::size_t>(k + reach)] *
             line[static_cast<std::size_t>(std::clamp<index_t>(i + k, 0, count - 1))];
    first[i * stride] = static_cast<float>(sum);
  }
}

void blur(tf::image& picture, double deviation) {
  const auto weights = gaussian(deviation, static_cast<index_t>(std::ceil(3 * deviation)));
  const auto& [channels, height, width, depth] = picture.shape;
  for (index_t plane = 0; plane < channels * depth; ++plane) {
    float* values = picture.values.data() + plane * height * width;
    for (index_t y = 0; y < height; ++y) blur_line(values + y * width, width, 1, weights);
    for (index_t x = 0; x < width; ++x) blur_line(values + x, height, width, weights);
  }
}

void shift(tf::image& picture, double most, const tf::random_key& key) {
  const index_t plane = picture.shape.size() / picture.shape.channels;
  for (index_t i = 0; i < picture.shape.size(); ++i)
    picture.values[static_cast<std::size_t>(i)] +=
        static_cast<float>(most * (2 * key.uniform(static_cast<std::uint64_t>(i / plane)) - 1));
}

void add_noise(tf::image& picture, double deviation, const tf::random_key& key) {
  for (std::size_t i = 0; i < picture.values.size(); i += 4) {
    double normals[4];
    tf::normal_block(key, i / 4, normals);
    for (std::size_t k = 0; k < std::min<std::size_t>(4, picture.values.size() - i); ++k)
      picture.values[i + k] += static_cast<float>(deviation * normals[k]);
  }
}

}  // namespace

tf::image harmed(tf::image picture, const harm& h, const tf::random_key& key) {
  if (h.blur > 0) blur(picture, h.blur);
  shift(picture, h.shift, {key.seed, key.step, tf::stream::solver_noise});  // independent of the noise
  add_noise(picture, h.noise, key);
  return picture;
}

}  // namespace scenes
