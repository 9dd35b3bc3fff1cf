// SPDX-License-Identifier: Apache-2.0
#include "emoji/support/classifier.hpp"

#include <algorithm>
#include <cmath>

#include "emoji/support/stage_run.hpp"
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

/// The steps of a training, with what they need beside the weights.
template <class Exec>
class classifier<Exec>::training {
 public:
  training(classifier& c, const data& d, std::uint64_t seed)
      : classifier_(&c),
        data_(&d),
        seed_(seed),
        order_(seed, static_cast<index_t>(d.training().size())),
        body_(*c.exec_, c.body_.parameters(), options),
        head_(*c.exec_, c.head_, options),
        tape_(*c.exec_) {}

  void step(index_t number, double rate) {
    const tf::random_key key{seed_, static_cast<std::uint32_t>(number), tf::stream::dropout};
    std::vector<tf::image> views;
    std::vector<tf::token_t> groups;
    for (index_t i = 0; i < batch; ++i) {
      const index_t item = data_->training()[static_cast<std::size_t>(order_(number * batch + i))];
      views.push_back(data_->view(item, key, static_cast<std::uint64_t>(i)));
      groups.push_back(static_cast<tf::token_t>(data_->group(item)));
    }
    tape_.reset();
    const std::vector<real> weights(static_cast<std::size_t>(batch), real{1} / batch);
    head_cross_entropy(tape_, classifier_->run(tape_, views), classifier_->last_, tape_.upload(groups),
                       tape_.upload(weights));
    tape_.backward();
    for (tf::adamw<Exec>* part : {&body_, &head_}) {
      part->gradient_norm();
      part->step(number, rate);
    }
  }

  void save(const std::filesystem::path& file, index_t next_step) {
    std::vector<tf::tensor_info> tensors{tf::tensor_info::of<index_t>("next_step", {1})};
    for (const auto& [name, values] : state()) tensors.push_back(tf::tensor_info::of<real>(name, {values.size()}));
    tf::safetensors_writer writer(file, std::move(tensors));
    writer.write("next_step", &next_step, 1);
    for (const auto& [name, values] : state())
      tf::detail::write_tensor<Exec>(writer, *classifier_->exec_, name, values);
    writer.commit();
  }
  /// The next step. Throws format_error, with nothing changed, on a file that does not fit.
  index_t load(const std::filesystem::path& path) {
    const tf::safetensors_file file(path);
    index_t next_step = 0;
    file.read("next_step", &next_step, 1);
    std::vector<std::vector<real>> all;
    for (const auto& [name, values] : state()) {
      all.emplace_back(static_cast<std::size_t>(values.size()));
      file.read(name, all.back().data(), values.size());
    }
    auto from = all.begin();
    for (const auto& [name, values] : state()) {
      classifier_->exec_->upload(values.data, from->data(), from->size() * sizeof(real));
      ++from;
    }
    classifier_->body_.parameters().refresh();
    classifier_->head_.refresh();
    return next_step;
  }

 private:
  static constexpr tf::adamw_options options{.beta2 = 0.99, .weight_decay = 0.1};

  /// All that steps change.
  std::vector<std::pair<std::string, tf::view<real, 1>>> state() {
    return {{"body", classifier_->body_.parameters().values()}, {"body.first_moment", body_.first_moment()},
            {"body.second_moment", body_.second_moment()},      {"head", classifier_->head_.values()},
            {"head.first_moment", head_.first_moment()},        {"head.second_moment", head_.second_moment()}};
  }

  classifier* classifier_;
  const data* data_;
  std::uint64_t seed_;
  tf::data_order order_;
  tf::adamw<Exec> body_, head_;
  tf::tape<Exec> tape_;
};

template <class Exec>
void classifier<Exec>::train(const data& d, const settings& s) {
  const stage to = s.classifier_stage();
  stage_run run(to, s, [&] {
    classifier scratch(*exec_, last_.rows(), s.seed);
    training timed(scratch, d, s.seed);
    return steps_in(s.classifier, [&](index_t i) { timed.step(i, 0); });
  });
  const index_t steps = run.steps();
  const tf::warmup_cosine rate{2e-3, 2e-5, std::min<index_t>(50, steps / 10), steps};
  training own(*this, d, s.seed);
  const index_t first = run.goes_on() ? own.load(to.part()) : 0;
  tf::progress bar("classifier", steps, first);
  for (index_t i = first; i < steps; ++i) {
    own.step(i, rate(i));
    run.did(i, batch);
    bar.update(i + 1, "");
    if ((i + 1) % run.checkpoint_every() == 0) own.save(to.part(), i + 1);
  }
  body_.parameters().freeze("");
  run.end(body_.parameters().count() + head_.count());
  save(to);
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
