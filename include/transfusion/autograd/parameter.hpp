// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/core/view.hpp"
#include "transfusion/exec/memory.hpp"

namespace transfusion {

/// How a parameter starts: `scale` times a standard normal, or the constant `constant`.
struct initial_value {
  double scale = 0;
  double constant = 0;

  static constexpr initial_value normal(double scale) { return {scale, 0}; }
  /// Deviation 1/√inputs: what passes a linear layer or a convolution keeps its size.
  static initial_value keeping_size(index_t inputs) { return normal(1 / std::sqrt(static_cast<double>(inputs))); }
  static constexpr initial_value zeros() { return {0, 0}; }
  static constexpr initial_value ones() { return {0, 1}; }
};

/// Whether AdamW's weight decay acts on a parameter.
enum class decay { off, on };

namespace detail {

template <class Exec>
struct parameter_record {
  std::string name;
  std::vector<index_t> shape;
  initial_value start;
  decay decays;
  index_t offset = -1;  ///< into the contiguous block; -1 until it is allocated
  bool frozen = false;
  typename Exec::real* master = nullptr;
  typename Exec::scalar* value = nullptr;
  typename Exec::real* gradient = nullptr;

  index_t size() const {
    index_t n = 1;
    for (index_t extent : shape) n *= extent;
    return n;
  }
  index_t rows() const { return shape.size() > 1 ? shape[0] : 1; }
};

}  // namespace detail

/// A trainable array, named like `blocks.3.attention.wq`. A cheap handle into its parameter_set; empty where a layer
/// has none.
template <class Exec>
class parameter {
 public:
  using scalar = typename Exec::scalar;
  using real = typename Exec::real;

  parameter() = default;
  explicit parameter(detail::parameter_record<Exec>* record) : record_(record) {}

  explicit operator bool() const { return record_ != nullptr; }
  const std::string& name() const { return record_->name; }
  const std::vector<index_t>& shape() const { return record_->shape; }
  index_t size() const { return record_->size(); }
  index_t offset() const { return record_->offset; }
  index_t rows() const { return record_->rows(); }
  index_t cols() const { return size() / rows(); }

  /// [first extent, the rest]; one row for a vector. What products read: the master itself, or its copy in `scalar`.
  view<const scalar, 2> value() const { return {record_->value, rows(), cols()}; }
  /// Whether training leaves it alone: parameter_set::freeze.
  bool frozen() const { return record_->frozen; }
  /// Same shape; empty while the set holds no gradients, and where the parameter is frozen.
  view<real, 2> gradient() const { return {record_->gradient, rows(), cols()}; }
  /// The trained numbers themselves, as a vector. Whoever writes them calls the set's refresh() before the next pass.
  view<real, 1> master() const { return {record_->master, size()}; }
  /// As vectors; empty views for an empty handle, so that an absent bias needs no branch.
  view<const scalar, 1> flat_value() const { return record_ ? value().flat() : view<const scalar, 1>{}; }
  view<real, 1> flat_gradient() const { return record_ && record_->gradient ? gradient().flat() : view<real, 1>{}; }

 private:
  detail::parameter_record<Exec>* record_ = nullptr;
};

/// A part of the contiguous block that an optimiser works through.
struct parameter_range {
  index_t begin = 0;
  index_t end = 0;
  decay decays = decay::on;
};

/// All parameters of a model: declared by its layers by name, then held in one contiguous block (those that decay
/// first), with their gradients in a second one. So clip, AdamW, EMA and checkpoints are one pass. Where the policy
/// computes in a narrower type than it trains in, a third block holds the copy that products read.
template <class Exec>
class parameter_set {
 public:
  using scalar = typename Exec::scalar;
  using real = typename Exec::real;
  static constexpr bool has_copy = !std::is_same_v<scalar, real>;

  /// Declares a parameter. Throws config_error on a name used twice or an extent below 1.
  parameter<Exec> declare(std::string name, std::vector<index_t> shape, initial_value start, decay decays = decay::on);

  /// Takes the block's memory from the policy and draws the starting values, a pure function of the seed and the order
  /// of names.
  void allocate(Exec& exec, std::uint64_t seed);

  /// Brings the copy that products read up to date with the masters; does nothing where they are one.
  void refresh() {
    if constexpr (has_copy) exec_->narrow(copy_.all(), values_.all());
  }

  /// Makes room for gradients, all zero. Does nothing the second time.
  void allocate_gradients() {
    if (gradients_) return;
    gradients_ = buffer<Exec, real>(*exec_, values_.size());
    for (auto& r : records_) r.gradient = r.frozen ? nullptr : gradients_.all().data + r.offset;
    zero_gradients();
  }
  void zero_gradients() { exec_->fill(gradients_.all(), 0); }

  /// Ends the training of all parameters whose names begin with one of the prefixes ("" is all): no gradient is worked
  /// out for them, none counts in the global norm, and AdamW leaves their bits, moments and average alone. Not kept in
  /// checkpoints: whoever resumes a run freezes again. Throws config_error on a prefix that no parameter has.
  template <class... Prefix>
  void freeze(const Prefix&... prefix) {
    (require_known("freeze", prefix), ...);
    (set_frozen(prefix, true), ...);
    find_trained();
  }
  /// Takes that back.
  template <class... Prefix>
  void unfreeze(const Prefix&... prefix) {
    (require_known("unfreeze", prefix), ...);
    (set_frozen(prefix, false), ...);
    find_trained();
  }
  /// The fewest parts of the block that hold every parameter in training and no frozen one, in rising order. Two where
  /// none is frozen: [0, decayed()) and the rest.
  const std::vector<parameter_range>& trained() const { return trained_; }

  /// The whole block, and its gradients. [0, decayed()) is the group with weight decay. Padding elements are zero.
  view<real, 1> values() const { return values_.all(); }
  view<scalar, 1> copy() const { return copy_.all(); }  ///< empty where products read the masters
  view<real, 1> gradients() const { return gradients_.all(); }
  index_t decayed() const { return decayed_; }

  /// How many trainable numbers there are, padding not counted.
  index_t count() const {
    index_t n = 0;
    for (const auto& r : records_) n += r.size();
    return n;
  }
  /// The same for the parameters whose names begin with `prefix`.
  index_t count(std::string_view prefix) const {
    index_t n = 0;
    for (const auto& r : records_)
      if (begins(r, prefix)) n += r.size();
    return n;
  }

  index_t size() const { return static_cast<index_t>(records_.size()); }
  /// Calls f(parameter) for each, in order of declaration.
  template <class F>
  void each(F f) {
    for (auto& r : records_) f(parameter<Exec>(&r));
  }

 private:
  static constexpr index_t alignment = 64 / static_cast<index_t>(sizeof(scalar));
  using record = detail::parameter_record<Exec>;

  static bool begins(const record& r, std::string_view prefix) {
    return std::string_view(r.name).substr(0, prefix.size()) == prefix;
  }

  void require_known(const char* what, std::string_view prefix) const {
    for (const auto& r : records_)
      if (begins(r, prefix)) return;
    throw config_error(
        detail::message(what, ": found no parameter whose name begins with \"", prefix, "\", expected one"));
  }

  void set_frozen(std::string_view prefix, bool frozen) {
    for (auto& r : records_) {
      if (!begins(r, prefix)) continue;
      r.frozen = frozen;
      if (!gradients_) continue;
      const auto gradient = gradients_.all().slice(r.offset, r.offset + r.size());
      if (frozen) exec_->fill(gradient, 0);  // what has gathered does not count either
      r.gradient = frozen ? nullptr : gradient.data;
    }
  }

  /// Joins neighbours, with the padding between them.
  void find_trained();

  Exec* exec_ = nullptr;
  std::deque<record> records_;  // a deque: handles point into it
  buffer<Exec, real> values_, gradients_;
  buffer<Exec, scalar> copy_;
  index_t decayed_ = 0;
  index_t end_ = 0;  ///< of the block; 0 until it is allocated
  std::vector<parameter_range> trained_;
};

template <class Exec>
parameter<Exec> parameter_set<Exec>::declare(std::string name, std::vector<index_t> shape, initial_value start,
                                             decay decays) {
  for (const auto& r : records_) require<config_error>(r.name != name, "parameter ", name, " is declared twice");
  for (index_t extent : shape)
    require<config_error>(extent > 0, "parameter ", name, ": extent ", extent, ", expected > 0");
  records_.push_back({std::move(name), std::move(shape), start, decays});
  return parameter<Exec>(&records_.back());
}

template <class Exec>
void parameter_set<Exec>::allocate(Exec& exec, std::uint64_t seed) {
  exec_ = &exec;
  index_t end = 0;
  for (decay group : {decay::on, decay::off}) {
    for (auto& r : records_)
      if (r.decays == group) {
        r.offset = end;
        end += (r.size() + alignment - 1) / alignment * alignment;
      }
    if (group == decay::on) decayed_ = end;
  }
  end_ = end;
  find_trained();
  values_ = buffer<Exec, real>(exec, end);
  if constexpr (has_copy) copy_ = buffer<Exec, scalar>(exec, end);
  exec.fill(values_.all(), 0);
  std::uint32_t number = 0;
  for (auto& r : records_) {
    r.master = values_.all().data + r.offset;
    if constexpr (has_copy)
      r.value = copy_.all().data + r.offset;
    else
      r.value = r.master;
    const view<real, 1> w(r.master, r.size());
    if (r.start.scale != 0)
      exec.normal(w, random_key{seed, number, stream::weights}, r.start.scale);
    else
      exec.fill(w, r.start.constant);
    ++number;
  }
  refresh();
}

template <class Exec>
void parameter_set<Exec>::find_trained() {
  trained_.clear();
  if (end_ == 0) return;
  for (decay group : std::initializer_list<decay>{decay::on, decay::off}) {
    const index_t group_end = group == decay::on ? decayed_ : end_;
    bool open = false;
    for (const record& r : records_) {
      if (r.decays != group) continue;
      if (open && r.frozen) trained_.back().end = r.offset;
      if (!open && !r.frozen) trained_.push_back({r.offset, group_end, group});
      open = !r.frozen;
    }
  }
}

}  // namespace transfusion
