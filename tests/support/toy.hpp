// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"
#include "transfusion/model.hpp"

// Small models, documents and files for the tests of training, files and generation.
namespace test_support {

namespace tf = transfusion;

/// Two layers, ten tokens (4 to 9 are words), images of one channel in 2 × 2 patches.
inline const tf::model_config<tf::paper> toy_sizes{.layers = 2, .width = 16, .heads = 2, .vocabulary = 10};

/// A picture of one of four kinds (rising or falling, bright or dark) that its shape and `kind` determine.
inline tf::image toy_image(int kind, tf::index_t height = 4, tf::index_t width = 4) {
  tf::image im{{1, height, width}, {}};
  for (tf::index_t i = 0; i < im.shape.size(); ++i) {
    const float slope =
        (kind % 2 ? 0.5f : -0.5f) * (static_cast<float>(i) / static_cast<float>(im.shape.size()) - 0.5f);
    im.values.push_back(slope + (kind < 2 ? 0.4f : -0.4f));
  }
  return im;
}

inline tf::text toy_caption(int kind) { return {{static_cast<tf::token_t>(4 + kind), 8}}; }

/// Six documents of a step, a pure function of its number: captions first, images first, text alone, two images.
inline std::vector<tf::document> toy_documents(tf::index_t step) {
  const auto kind = [&](tf::index_t i) { return static_cast<int>((step + i) % 4); };
  return {{toy_caption(kind(0)), toy_image(kind(0))},
          {toy_caption(kind(1)), toy_image(kind(1))},
          {toy_image(kind(2)), toy_caption(kind(2))},
          {tf::text{{9, 8, 9}}},
          {toy_caption(kind(3)), toy_image(kind(3)), toy_caption(kind(0)), toy_image(kind(0), 2, 6)},
          {toy_caption(kind(2)), toy_image(kind(2))}};
}

template <class T, class Exec>
std::vector<T> host_copy(Exec& exec, tf::view<const T, 1> device) {
  std::vector<T> host(static_cast<std::size_t>(device.size()));
  if (!host.empty()) exec.download(host.data(), device.data, host.size() * sizeof(T));
  return host;
}

/// All weights of a model, padding included.
template <class Model>
std::vector<typename Model::scalar> weights_of(Model& model) {
  return host_copy<typename Model::scalar>(model.exec(), model.parameters().values());
}

/// Gives an untrained model weights that make every part of it matter: the codec's output starts at zero otherwise.
template <class Model>
void stir(Model& model, std::uint64_t seed, double scale = 0.3) {
  std::uint32_t number = 0;
  model.parameters().each([&](auto p) {
    if (p.shape().size() > 1) model.exec().normal(p.master(), {seed, number++, tf::stream::test}, scale);
  });
}

/// max |a - b|; infinite where the lengths differ or a value is not finite.
template <class A, class B>
double distance(const A& a, const B& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(d <= worst)) worst = std::isfinite(d) ? d : INFINITY;
  }
  return worst;
}

/// The call throws `Error`, and its message holds all these words.
template <class Error, class Call>
void fails_saying(Call call, const std::vector<std::string>& words) {
  BOOST_CHECK_EXCEPTION(call(), Error, [&](const Error& e) {
    for (const auto& word : words)
      if (std::string(e.what()).find(word) == std::string::npos) {
        BOOST_TEST_MESSAGE("'" << word << "' is not in: " << e.what());
        return false;
      }
    return true;
  });
}

}  // namespace test_support
