// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "transfusion/core/policy_name.hpp"
#include "transfusion/generate/kv_cache.hpp"
#include "transfusion/model.hpp"

namespace transfusion::detail {

/// One growing document in the cache: its table, and the slots [first_slot, first_slot + capacity) that hold its rows.
struct cached_sequence {
  span_table table;
  index_t first_slot = 0;
  index_t capacity = 0;
};

/// Gathers rows of several sequences for one pass through a model with a cache. The rows must stand in their sequence's
/// table already; running rows again (an image at its next noise level) overwrites their slots.
template <class Model>
class cached_pass {
 public:
  using exec = typename Model::exec_type;
  using real = typename Model::real;

  explicit cached_pass(const Model& model) : model_(&model) {}

  /// Row q of a sequence holds this token. Returns the row's number in the pass.
  index_t add_token(const cached_sequence& s, index_t q, token_t token) {
    add_row(s, q, q + 1);
    tokens_.push_back(token);
    return static_cast<index_t>(tokens_.size()) - 1;
  }

  /// The rows of span `where` hold this image at a noise level; its values follow those of the images before it.
  void add_image(const cached_sequence& s, const span& where, image_shape shape, noise_level level) {
    modality_batch& m = modalities_[static_cast<std::size_t>(where.modality)];
    m.numbers.push_back(static_cast<token_t>(places_.size()));
    m.places.push_back({value_count_, m.patches(), shape});
    places_.push_back(m.places.back());
    levels_.push_back(level);
    value_count_ += shape.size();
    add_row(s, where.begin, where.end);
    for (index_t q = where.begin; q < where.end; ++q) {
      const auto row = static_cast<token_t>(tokens_.size());
      if (q < where.first_patch_row()) {
        m.time_rows.push_back(row);
      } else {
        m.patch_rows.push_back(row);
        m.patch_image.push_back(static_cast<token_t>(m.image_count()) - 1);
      }
      tokens_.push_back(ignored);
    }
  }

  bool empty() const { return tokens_.empty(); }
  const std::vector<image_place>& places() const { return places_; }

  /// Runs the rows. `values` are those of the images, flat, on the device.
  typename Model::outputs run(tape<exec>& tape, const kv_cache<exec>& cache, view<const real, 1> values) const {
    auto in = model_->inputs(tape, {tokens_, positions_, keys_, modalities_, levels_}, values);
    in.context.caches = cache.layers();
    in.context.slots = tape.upload(slots_);
    return model_->forward(tape, in);
  }

 private:
  void add_row(const cached_sequence& s, index_t begin, index_t end) {
    const std::size_t first = keys_.size();
    mask::lower(model_->mask_policy(), s.table, begin, end, s.first_slot, keys_);
    for (std::size_t i = first; i < keys_.size(); ++i) {
      const index_t q = begin + static_cast<index_t>(i - first) / Model::intervals_per_row;
      const index_t last = keys_[i].end - s.first_slot;
      // A prompt's prefix is run whole, before anything that is generated.
      const index_t prefix =
          mask::prefix_both_ways<typename Model::variant_type::mask> ? s.table.prefix_end(s.table.document(q)) : 0;
      const index_t most = std::max(s.table.span_end(q), prefix);
      require<config_error>(last <= most, "mask: row ", q, ": found keys up to ", last,
                            ", expected none beyond its own token or image or the prefix, ", most,
                            ": a mask that looks ahead cannot generate (",
                            policy_name<typename Model::variant_type::mask>(), ")");
    }
    position::lower(model_->position_policy(), s.table, begin, end, positions_);
    for (index_t q = begin; q < end; ++q) slots_.push_back(static_cast<token_t>(s.first_slot + q));
  }

  const Model* model_;
  std::vector<token_t> tokens_, positions_, slots_;
  std::vector<key_interval> keys_;
  std::array<modality_batch, Model::modality_count> modalities_;
  std::vector<image_place> places_;  ///< of all modalities, in the order of their values
  std::vector<noise_level> levels_;
  index_t value_count_ = 0;
};

}  // namespace transfusion::detail
