// SPDX-License-Identifier: Apache-2.0
#include "support/judge.hpp"

#include <algorithm>
#include <cmath>

#include "transfusion/autograd/op/head_cross_entropy.hpp"
#include "transfusion/train/adamw.hpp"
#include "transfusion/train/data_order.hpp"
#include "transfusion/train/progress.hpp"
#include "transfusion/train/warmup_cosine.hpp"

namespace support {

namespace {

constexpr index_t batch = 256;

/// He et al. 2015: keeps the size of activations through a layer of `in` inputs.
tf::initial_value scaled_to(index_t in) { return tf::initial_value::normal(std::sqrt(2.0 / static_cast<double>(in))); }

/// Mirrors each row of a picture half of the time.
void mirror(std::vector<float>& picture, index_t width, tf::random_key key, std::uint64_t draw) {
  if (key.uniform(draw) < 0.5) return;
  for (auto row = picture.begin(); row != picture.end(); row += width) std::reverse(row, row + width);
}

}  // namespace

judge::judge(int threads, index_t pixels, index_t classes, std::uint64_t seed)
    : exec_(threads),
      pixels_(pixels),
      first_(parameters_, "judge.first", pixels, 512, tf::bias::on, scaled_to(pixels)),
      second_(parameters_, "judge.second", 512, features, tf::bias::on, scaled_to(512)),
      last_(parameters_.declare("judge.last", {classes, features}, scaled_to(features))) {
  parameters_.allocate(exec_, seed);
}

tf::var<judge::exec> judge::body(tf::tape<exec>& tape, const std::vector<float>& pictures) {
  const auto values = tape.saved(static_cast<index_t>(pictures.size()) / pixels_, pixels_);
  exec_.upload(values.data, pictures.data(), pictures.size() * sizeof(float));
  return silu(tape, second_(tape, silu(tape, first_(tape, tape.constant(values)))));
}

void judge::train(const support::labelled_images& set, index_t epochs, std::uint64_t seed) {
  const index_t steps = epochs * set.count / batch;
  const tf::warmup_cosine rate{2e-3, 1e-5, 100, steps};
  const tf::data_order order(seed, set.count);
  tf::adamw<exec> optimiser(exec_, parameters_, {.beta2 = 0.99, .weight_decay = 0.1});
  tf::tape<exec> tape(exec_);
  tf::progress bar("judge", steps);
  std::vector<float> picture(static_cast<std::size_t>(pixels_)), pictures(static_cast<std::size_t>(batch * pixels_));
  for (index_t step = 0; step < steps; ++step) {
    const tf::random_key key{seed, static_cast<std::uint32_t>(step), tf::stream::dropout};
    std::vector<tf::token_t> labels;
    for (index_t i = 0; i < batch; ++i) {
      const index_t item = order(step * batch + i);
      set.values(item, picture);
      mirror(picture, set.width, key, static_cast<std::uint64_t>(i));
      std::copy(picture.begin(), picture.end(), pictures.begin() + i * pixels_);
      labels.push_back(static_cast<tf::token_t>(set.label(item)));
    }
    tape.reset();
    const std::vector<float> weights(static_cast<std::size_t>(batch), 1.0f / batch);
    head_cross_entropy(tape, body(tape, pictures), last_, tape.upload(labels), tape.upload(weights));
    tape.backward();
    optimiser.gradient_norm();
    optimiser.step(step, rate(step));
    bar.update(step + 1, "");
  }
}

judge::opinion judge::look(const std::vector<float>& pictures) {
  tf::tape<exec> tape(exec_, tf::recording::off);
  const auto seen = body(tape, pictures).value();
  const auto scores = tape.saved(seen.rows(), last_.rows());
  exec_.linear(scores, seen, last_.value(), {});
  std::vector<float> on_host(static_cast<std::size_t>(scores.size())), of_body(static_cast<std::size_t>(seen.size()));
  exec_.download(on_host.data(), scores.data, on_host.size() * sizeof(float));
  exec_.download(of_body.data(), seen.data, of_body.size() * sizeof(float));
  opinion result;
  for (index_t i = 0; i < seen.rows(); ++i) {
    const auto score = on_host.begin() + i * scores.cols();
    const auto feature = of_body.begin() + i * features;
    result.labels.push_back(std::max_element(score, score + scores.cols()) - score);
    result.features.emplace_back(feature, feature + features);
  }
  return result;
}

std::vector<float> pictures_of(const support::labelled_images& set, index_t begin, index_t end) {
  const auto size = static_cast<std::size_t>(set.height * set.width);
  std::vector<float> pictures(static_cast<std::size_t>(end - begin) * size);
  for (index_t i = begin; i < end; ++i)
    set.values(i, std::span(pictures).subspan(static_cast<std::size_t>(i - begin) * size, size));
  return pictures;
}

double accuracy(judge& j, const support::labelled_images& set) {
  index_t right = 0;
  for (index_t begin = 0; begin < set.count; begin += 1000) {
    const index_t end = std::min(begin + 1000, set.count);
    const auto labels = j.look(pictures_of(set, begin, end)).labels;
    for (index_t i = begin; i < end; ++i) right += labels[static_cast<std::size_t>(i - begin)] == set.label(i);
  }
  return static_cast<double>(right) / static_cast<double>(set.count);
}

}  // namespace support
