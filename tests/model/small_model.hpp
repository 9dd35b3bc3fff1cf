// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "transfusion/model.hpp"
#include "transfusion/testing/compare.hpp"

// Models small enough for the reference policy, and documents that use all they can do.
namespace small_model {

using namespace transfusion;
using transfusion::testing::normalised_error;
using transfusion::testing::on_host;
using transfusion::testing::same_bits;

struct causal_only : paper {
  using mask = transfusion::mask::causal;
};
struct v_prediction : paper {
  using target = transfusion::target::v;
};
struct rectified : paper {
  using schedule = transfusion::schedule::rectified_flow;
  using target = transfusion::target::velocity;
};
struct snr_weighted : paper {
  using weighting = transfusion::weighting::min_snr<>;
};
struct noise_limited : paper {
  using time_sampling = transfusion::time_sampling::limited<>;
};

/// The paper's mask but for a hole: the row before is hidden.
struct mask_with_hole {
  two_key_intervals keys(index_t q, const span_table& table) const {
    const index_t begin = table.document_begin(q), hole = std::max(begin, table.span_begin(q) - 1);
    return {key_interval::of(begin, hole), key_interval::of(table.span_begin(q), table.span_end(q))};
  }
};
struct with_hole : paper {
  using mask = mask_with_hole;
};

template <class Variant = paper>
model_config<Variant> config() {
  model_config<Variant> c{.layers = 2, .width = 12, .heads = 2, .vocabulary = 13, .kv_heads = 1, .feed_forward = 10};
  c.codec.channels = 2;
  return c;
}

/// Standard normal numbers, exact in float.
inline std::vector<float> drawn(index_t count, std::uint64_t seed) {
  std::vector<float> values;
  double four[4];
  for (std::uint64_t block = 0; static_cast<index_t>(values.size()) < count; ++block) {
    normal_block({seed, 0, stream::test}, block, four);
    values.insert(values.end(), four, four + 4);
  }
  values.resize(static_cast<std::size_t>(count));
  return values;
}

inline image drawn_image(index_t height, index_t width, std::uint64_t seed, index_t channels = 2) {
  const image_shape shape{channels, height, width};
  return {shape, drawn(shape.size(), seed)};
}

/// Four documents: text and two images of different grids; image first; text alone; an image alone, open ended.
inline std::vector<document> documents() {
  document alone{drawn_image(2, 2, 4)};
  alone.open_ended = true;
  return {{text{{5, 6, 7}}, drawn_image(4, 4, 1), text{{8}}, drawn_image(2, 6, 2), text{{9, 10}}},
          {drawn_image(6, 4, 3), text{{11, 12, 4, 5}}},
          {text{{6, 6, 8, 9, 12}}},
          alone};
}

inline constexpr random_key step_key{17, 3, stream::noise};

/// Adds normal noise to every weight, the same for all policies, so that no gradient is zero by the start's symmetry.
template <class Model>
void shake(Model& model, double deviation = 0.3) {
  std::uint64_t seed = 1000;
  model.parameters().each([&](auto p) {
    auto host = on_host(model.exec(), p.master());
    const auto noise = drawn(p.size(), ++seed);
    for (std::size_t i = 0; i < host.size(); ++i)
      host[i] = static_cast<typename Model::real>(static_cast<float>(static_cast<double>(static_cast<float>(host[i])) +
                                                                     deviation * static_cast<double>(noise[i])));
    model.exec().upload(p.master().data, host.data(), host.size() * sizeof(host[0]));
  });
  model.parameters().refresh();
}

/// The weighted objective of a batch, its gradients started on a recording tape.
template <class Model>
double objective(const Model& model, tape<typename Model::exec_type>& tape, const packed_batch& batch,
                 const noise_plan& plan, const step_share& share = {}) {
  using variant = typename Model::variant_type;
  const auto losses = model.loss(tape, batch, plan, share);
  const auto& weights = model.config().loss_weights;
  double value = weights[0] * losses.mean(model.exec(), 0);
  const auto images = on_host(model.exec(), losses.terms[1].each);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const noise_level& level = plan.levels[i];
    const double weight = typename variant::weighting{}(level, variant::target::of(level.signal, level.noise));
    value += weights[1] * weight * losses.terms[1].shares[i] * static_cast<double>(images[i]);
  }
  return value;
}

/// The terms' means over a step whose documents are packed group by group.
template <class Model>
std::vector<double> means_of_step(const Model& model, const std::vector<std::vector<document>>& groups) {
  std::vector<packed_batch> batches;
  step_share share;
  for (const auto& g : groups) {
    batches.push_back(model.pack(g));
    share.all.add(batches.back());
  }
  std::vector<double> means(Model::loss_type::terms);
  for (const packed_batch& b : batches) {
    tape<typename Model::exec_type> tape(model.exec());
    const auto losses = model.loss(tape, b, model.plan_noise(b, step_key, share), share);
    for (std::size_t i = 0; i < means.size(); ++i) means[i] += losses.mean(model.exec(), i);
    share.pass(b);
  }
  return means;
}

/// The gradients of all parameters after one pass over the batch.
template <class Model>
std::vector<typename Model::scalar> gradients(Model& model, const packed_batch& batch, const noise_plan& plan) {
  model.parameters().allocate_gradients();
  model.parameters().zero_gradients();
  tape<typename Model::exec_type> tape(model.exec());
  objective(model, tape, batch, plan);
  tape.backward();
  return on_host(model.exec(), model.parameters().gradients());
}

}  // namespace small_model
