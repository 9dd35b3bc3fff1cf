// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "transfusion/autograd/op/swiglu.hpp"
#include "transfusion/codec/concepts.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/testing/gradient_check.hpp"
#include "transfusion/testing/poisoned.hpp"

// A codec by itself: what it makes of images, without a transformer. Include after BOOST_TEST_MODULE is defined.
namespace codec_trial {

using namespace transfusion;
using transfusion::testing::directional_check;
using transfusion::testing::normalised_error;
using transfusion::testing::on_host;
using transfusion::testing::poisoned;
using transfusion::testing::same_bits;
using transfusion::testing::weighted_output;

/// An image of standard normal values at a time in steps of 1/1000.
struct item {
  image_shape shape;
  double time = 300;
  std::uint64_t seed = 1;
};

/// What the model gives a codec for these items. The list of places must outlive the pass.
template <class Codec, class Exec>
image_batch<Exec> batch_of(tape<Exec>& tape, const std::vector<item>& items, const typename Codec::options& o,
                           std::vector<image_place>& places) {
  using real = typename Exec::real;
  std::vector<real> values, times;
  std::vector<token_t> image_of_patch;
  places.clear();
  for (const item& i : items) {
    places.push_back({static_cast<index_t>(values.size()), static_cast<index_t>(image_of_patch.size()), i.shape});
    image_of_patch.insert(image_of_patch.end(), static_cast<std::size_t>(Codec::grid(i.shape, o).patches()),
                          static_cast<token_t>(times.size()));
    times.push_back(static_cast<real>(i.time));
    double four[4];
    for (index_t v = 0; v < i.shape.size(); ++v) {
      if (v % 4 == 0) normal_block({i.seed, 0, stream::test}, static_cast<std::uint64_t>(v / 4), four);
      values.push_back(static_cast<real>(four[v % 4]));
    }
  }
  return {tape.upload(values), tape.upload(places), tape.upload(times), tape.upload(image_of_patch), places};
}

/// The rows that images became, and the prediction that rows became.
struct output {
  std::vector<double> tokens, prediction;
};

/// A codec's layer with weights of its own. What a transformer would make of its rows is silu.
template <class Codec, class Exec = reference_exec<double>>
class trial {
 public:
  using exec_type = Exec;
  using options = typename Codec::options;

  template <class... Told>
  explicit trial(const options& o, index_t width = 6, Told... told)
      : layer(set_, "codec", o, width, told...), sizes_(o) {
    set_.allocate(exec_, 1);
  }

  /// Adds normal noise to every weight, the same for all policies, so that none matters less by its start.
  void shake() {
    std::uint32_t number = 0;
    set_.each([&](parameter<Exec> p) {
      auto host = on_host(exec_, p.master());
      const random_key key{77, number++, stream::test};
      double four[4];
      for (std::size_t i = 0; i < host.size(); ++i) {
        if (i % 4 == 0) normal_block(key, i / 4, four);
        host[i] += static_cast<typename Exec::real>(0.3 * four[i % 4]);
      }
      exec_.upload(p.master().data, host.data(), host.size() * sizeof(host[0]));
    });
    set_.refresh();
  }

  output operator()(const std::vector<item>& items) {
    tape<Exec> t(exec_, recording::off);
    std::vector<image_place> places;
    const auto x = batch_of<Codec>(t, items, sizes_, places);
    const auto encoded = layer.encode(t, x);
    const auto y = layer.decode(t, silu(t, encoded.tokens), encoded.skip, x);
    return {numbers(encoded.tokens), numbers(y)};
  }

  /// Every parameter along a random direction, for an objective of rows and prediction.
  transfusion::testing::gradient_report gradients(const std::vector<item>& items) {
    std::vector<image_place> places;
    return directional_check(
        *this,
        [&](auto& t) {
          const auto x = batch_of<Codec>(t, items, sizes_, places);
          const auto encoded = layer.encode(t, x);
          const auto y = layer.decode(t, silu(t, encoded.tokens), encoded.skip, x);
          return weighted_output(t, encoded.tokens, {3, 0, stream::test}) + weighted_output(t, y, {4, 0, stream::test});
        },
        {5, 0, stream::test});
  }

  Exec& exec() { return exec_; }
  parameter_set<Exec>& parameters() { return set_; }
  const options& sizes() const { return sizes_; }
  std::vector<double> numbers(var<Exec> y) {
    const auto host = on_host(exec_, y.value());
    std::vector<double> all;
    for (auto v : host) all.push_back(static_cast<double>(v));
    return all;
  }

 private:
  Exec exec_;
  parameter_set<Exec> set_;

 public:
  typename Codec::template layer<Exec> layer;

 private:
  options sizes_;
};

/// Two images in one batch give what each gives alone.
template <class Codec, class Exec>
void check_packed_equals_separate(trial<Codec, Exec>& t, const item& a, const item& b, double near) {
  const auto both = t({a, b});
  auto apart = t({a});
  const auto second = t({b});
  apart.tokens.insert(apart.tokens.end(), second.tokens.begin(), second.tokens.end());
  apart.prediction.insert(apart.prediction.end(), second.prediction.begin(), second.prediction.end());
  BOOST_TEST(normalised_error(both.tokens, apart.tokens) <= near);
  BOOST_TEST(normalised_error(both.prediction, apart.prediction) <= near);
}

/// The call throws `Error` with exactly this text.
template <class Error, class Call>
void fails_saying(Call call, const std::string& text) {
  BOOST_CHECK_EXCEPTION(call(), Error, [&](const Error& e) {
    BOOST_CHECK_EQUAL(std::string(e.what()), text);
    return true;
  });
}

}  // namespace codec_trial
