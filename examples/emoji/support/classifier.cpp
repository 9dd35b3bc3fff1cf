// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/classifier.hpp"

#include <algorithm>
#include <cmath>

#include "support/report.hpp"
#include "transfusion/autograd/op/head_cross_entropy.hpp"
#include "transfusion/autograd/op/reshape.hpp"
#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/io/parameter_tensors.hpp"
#include "transfusion/train/adamw.hpp"
#include "transfusion/train/data_order.hpp"
#include "transfusion/train/progress.hpp"
#include "transfusion/train/warmup_cosine.hpp"

namespace emoji {

namespace {

constexpr index_t batch = 32;
constexpr std::size_t at_once = 64;
const tf::vgg_options sizes{.image_channels = 3, .stages = {{8}, {16}, {32}, {64}}};
constexpr index_t last_side = side / 8, last_channels = 64;
const tf::autoencoder_options any_picture{.channels = 3, .level_channels = {1}, .groups = 1};

tf::initial_value scaled_to(index_t in) { return tf::initial_value::normal(std::sqrt(2.0 / static_cast<double>(in))); }

}  // namespace

template <class Exec>
classifier<Exec>::classifier(Exec& exec, index_t groups, std::uint64_t seed)
    : exec_(&exec),
      body_(exec, sizes, seed),
      pyramid_({3, 3}, {2, 2}, 1),
      hidden_(head_, "head.hidden", last_side * last_side * last_channels, classifier_features, tf::bias::on,
              scaled_to(last_side * last_side * last_channels)),
      last_(head_.declare("head.last", {groups, classifier_features}, scaled_to(classifier_features))) {
  head_.allocate(exec, seed + 1);
}

/// [I, classifier_features].
template <class Exec>
tf::var<Exec> classifier<Exec>::run(tf::tape<Exec>& tape, std::span<const tf::image> pictures) const {
  const auto x = upload_images(tape, pyramid_, pictures, any_picture);
  const auto map = body_(tape, x.rows, x).back().rows;
  return silu(tape, hidden_(tape, reshape(tape, map, x.images())));
}

template <class Exec>
stage_summary classifier<Exec>::train(const data& d, const length& how, std::uint64_t seed) {
  const tf::data_order order(seed, static_cast<index_t>(d.training().size()));
  const tf::adamw_options slow{.beta2 = 0.99, .weight_decay = 0.1};
  tf::adamw<Exec> body(*exec_, body_.parameters(), slow), head(*exec_, head_, slow);
  tf::tape<Exec> tape(*exec_);
  const auto step = [&](index_t number, double rate) {
    const tf::random_key key{seed, static_cast<std::uint32_t>(number), tf::stream::dropout};
    std::vector<tf::image> views;
    std::vector<tf::token_t> groups;
    for (index_t i = 0; i < batch; ++i) {
      const index_t item = d.training()[static_cast<std::size_t>(order(number * batch + i))];
      views.push_back(d.view(item, key, static_cast<std::uint64_t>(i)));
      groups.push_back(static_cast<tf::token_t>(d.group(item)));
    }
    tape.reset();
    const std::vector<real> weights(static_cast<std::size_t>(batch), real{1} / batch);
    head_cross_entropy(tape, run(tape, views), last_, tape.upload(groups), tape.upload(weights));
    tape.backward();
    for (tf::adamw<Exec>* part : {&body, &head}) {
      part->gradient_norm();
      part->step(number, rate);
    }
  };
  const support::stopwatch watch;
  const index_t steps = steps_in(how, [&](index_t i) { step(i, 0); });
  const tf::warmup_cosine rate{2e-3, 2e-5, std::min<index_t>(50, steps / 10), steps};
  tf::progress bar("classifier", steps);
  for (index_t i = 0; i < steps; ++i) {
    step(i, rate(i));
    bar.update(i + 1, "");
  }
  body_.parameters().freeze("");
  return {steps, steps * batch, body_.parameters().count() + head_.count(), watch.seconds()};
}

template <class Exec>
typename classifier<Exec>::opinion classifier<Exec>::look(std::span<const tf::image> pictures) const {
  tf::tape<Exec> tape(*exec_, tf::recording::off);
  opinion all;
  for (std::size_t begin = 0; begin < pictures.size(); begin += at_once) {
    tape.reset();
    const auto seen = run(tape, pictures.subspan(begin, std::min(at_once, pictures.size() - begin)));
    const auto values = on_host(tape, seen.value()), scores = on_host(tape, linear(tape, seen, last_).value());
    const index_t groups = last_.rows();
    for (index_t i = 0; i < seen.rows(); ++i) {
      const auto score = scores.begin() + i * groups;
      all.groups.push_back(std::max_element(score, score + groups) - score);
      all.features.emplace_back(values.begin() + i * classifier_features,
                                values.begin() + (i + 1) * classifier_features);
    }
  }
  return all;
}

template <class Exec>
std::vector<double> classifier<Exec>::on_host(tf::tape<Exec>& tape,
                                              tf::view<const typename Exec::scalar, 2> rows) const {
  const auto wide = tape.saved_real(rows.rows(), rows.cols());
  exec_->widen(wide.flat(), rows.flat());
  std::vector<real> values(static_cast<std::size_t>(rows.size()));
  exec_->download(values.data(), wide.data, values.size() * sizeof(real));
  return {values.begin(), values.end()};
}

template <class Exec>
double classifier<Exec>::accuracy(const data& d, const std::vector<index_t>& items) const {
  std::vector<tf::image> pictures;
  for (index_t i : items) pictures.push_back(d.picture(i));
  const auto groups = look(pictures).groups;
  index_t right = 0;
  for (std::size_t n = 0; n < items.size(); ++n) right += groups[n] == d.group(items[n]);
  return static_cast<double>(right) / static_cast<double>(items.size());
}

template <class Exec>
void classifier<Exec>::save(const stage& s) {
  // The body as vgg::load reads it: [out, taps, in] becomes [out, in, 3, 3].
  std::vector<tf::tensor_info> tensors;
  body_.parameters().each([&](tf::parameter<Exec> p) {
    const auto shape = p.shape();
    tensors.push_back(tf::tensor_info::of<real>(
        p.name(), shape.size() == 1 ? shape : std::vector<index_t>{shape[0], shape[2], 3, 3}));
  });
  head_.each([&](tf::parameter<Exec> p) { tensors.push_back(tf::tensor_info::of<real>(p.name(), p.shape())); });
  tf::safetensors_writer writer(s.file, std::move(tensors), s.metadata());
  body_.parameters().each([&](tf::parameter<Exec> p) {
    std::vector<real> values(static_cast<std::size_t>(p.size()));
    exec_->download(values.data(), p.master().data, values.size() * sizeof(real));
    if (p.shape().size() == 1) return writer.write(p.name(), values.data(), p.size());
    const index_t out = p.shape()[0], taps = 9, in = p.shape()[2];
    std::vector<real> turned;
    for (index_t o = 0; o < out; ++o)
      for (index_t i = 0; i < in; ++i)
        for (index_t t = 0; t < taps; ++t) turned.push_back(values[static_cast<std::size_t>((o * taps + t) * in + i)]);
    writer.write(p.name(), turned.data(), p.size());
  });
  head_.each([&](tf::parameter<Exec> p) { tf::detail::write_tensor<Exec>(writer, *exec_, p.name(), p.master()); });
  writer.commit();
}

template <class Exec>
void classifier<Exec>::load(const std::filesystem::path& path) {
  const tf::safetensors_file file(path);
  head_.each([&](tf::parameter<Exec> p) { tf::detail::check_tensor<Exec>(file, p.name(), p); });
  body_.load(path);
  head_.each([&](tf::parameter<Exec> p) { tf::detail::read_tensor<Exec>(file, *exec_, p.name(), p, head_.values()); });
  head_.refresh();
}

template class classifier<support::cpu_policy>;
#if TRANSFUSION_HAS_CUDA
template class classifier<support::cuda_policy>;
#endif

}  // namespace emoji
