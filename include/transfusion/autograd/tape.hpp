// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

#include "transfusion/autograd/gradient_pool.hpp"
#include "transfusion/core/host_list.hpp"
#include "transfusion/core/view.hpp"
#include "transfusion/exec/memory.hpp"

namespace transfusion {

namespace detail {

template <class Exec>
struct node {
  view<typename Exec::scalar, 2> value;
  gradient_block<Exec>* gradient = nullptr;
  bool differentiable = false;
};

}  // namespace detail

/// A variable of a tape: a matrix and, on the way back, its gradient. A cheap handle; it dies with the tape's reset.
template <class Exec>
class var {
 public:
  using scalar = typename Exec::scalar;

  var() = default;
  explicit var(detail::node<Exec>* n) : node_(n) {}

  view<scalar, 2> value() const { return node_->value; }
  index_t rows() const { return node_->value.rows(); }
  index_t cols() const { return node_->value.cols(); }
  explicit operator bool() const { return node_ != nullptr; }
  detail::node<Exec>* node() const { return node_; }

 private:
  detail::node<Exec>* node_ = nullptr;
};

/// Whether a tape keeps what the way back needs.
enum class recording { off, on };

/// Records the operations of one step and runs their backward steps in reverse. Owns all memory of the step.
/// Losses are roots: they know their weights when they run, so `backward()` takes no seed.
template <class Exec>
class tape {
 public:
  using scalar = typename Exec::scalar;
  using real = typename Exec::real;
  using variable_type = var<Exec>;

  explicit tape(Exec& exec, recording mode = recording::on)
      : exec_(&exec), memory_(exec), gradients_(exec), mode_(mode) {}
  tape(const tape&) = delete;
  tape& operator=(const tape&) = delete;

  Exec& exec() { return *exec_; }
  bool records() const { return mode_ == recording::on; }

  /// A new variable [rows, cols] with unset values.
  var<Exec> variable(index_t rows, index_t cols) { return make(saved(rows, cols), records()); }
  /// A variable with a gradient of its own over memory that another one holds.
  var<Exec> variable_over(view<scalar, 2> value) { return make(value, records()); }
  /// A variable that has no gradient.
  var<Exec> constant(view<scalar, 2> value) { return make(value, false); }

  /// Step memory for what backward needs.
  view<scalar, 2> saved(index_t rows, index_t cols) {
    return {memory_.template take<scalar>(rows * cols).data, rows, cols};
  }
  view<scalar, 1> saved(index_t count) { return memory_.template take<scalar>(count); }
  /// The same for statistics, losses and images, which are kept in `real`.
  view<real, 2> saved_real(index_t rows, index_t cols) {
    return {memory_.template take<real>(rows * cols).data, rows, cols};
  }
  view<real, 1> saved_real(index_t count) { return memory_.template take<real>(count); }
  view<token_t, 1> saved_tokens(index_t count) { return memory_.template take<token_t>(count); }

  /// An empty list on the host with room for `capacity` elements, alive until reset: where inputs are put together.
  template <class T>
  host_list<T> list(index_t capacity) {
    return {host_memory_.template take<T>(capacity).data, capacity};
  }

  /// A copy of a host list or vector in the policy's memory, alive until reset.
  template <class List>
  auto upload(const List& host) {
    using element = std::remove_cvref_t<decltype(*host.data())>;
    view<element, 1> device = memory_.template take<element>(static_cast<index_t>(host.size()));
    exec_->upload(device.data, host.data(), static_cast<std::size_t>(host.size()) * sizeof(element));
    return view<const element, 1>(device);
  }

  /// Registers the way back of the operation whose outputs are the variables made since the last registration.
  /// `step` is a trivially copyable callable taking the tape; it runs only if one of those outputs got a gradient.
  template <class Step>
  void on_backward(Step step) {
    static_assert(std::is_trivially_copyable_v<Step> && std::is_trivially_destructible_v<Step>,
                  "capture handles and views only: what a backward step holds lives in the tape's memory");
    const index_t first = outputs_begin_;
    outputs_begin_ = node_count_;
    if (!records()) return;
    void* place = host_memory_.template take<Step>(1).data;
    steps_.push_back(
        {[](void* p, tape& t) { (*static_cast<Step*>(p))(t); }, new (place) Step(step), first, node_count_});
  }

  /// Runs every recorded step in reverse order. Parameter gradients are added to.
  void backward();

  /// Forgets all variables and steps; memory stays for the next step.
  void reset();

  // --- for backward steps -------------------------------------------------------------------------------------------

  bool has_gradient(var<Exec> x) const { return x.node()->gradient != nullptr; }

  /// The gradient that has gathered at x; only where has_gradient(x).
  view<scalar, 2> gradient(var<Exec> x) const { return gradient_view(*x.node()); }

  /// Where to leave a contribution to x's gradient; empty where x needs none.
  gradient_sink<scalar> sink(var<Exec> x);

  /// Adds the gradient of y to x, which has the same shape. Costs nothing where x has none yet: both then hold one
  /// buffer.
  void pass_gradient(var<Exec> y, var<Exec> x);

  /// The gradient of x, to be changed in place.
  view<scalar, 2> own_gradient(var<Exec> x) {
    own(*x.node());
    return gradient_view(*x.node());
  }

  /// Bytes of policy memory that this tape holds: values and what backward needs; gradients of activations.
  index_t memory_held() const { return memory_.peak() + gradients_.peak(); }

 private:
  struct step_record {
    void (*run)(void*, tape&);
    void* step;
    index_t first_output, last_output;
  };
  static constexpr index_t nodes_per_block = 256;

  var<Exec> make(view<scalar, 2> value, bool differentiable);

  detail::node<Exec>& node_at(index_t i) {
    return nodes_[static_cast<std::size_t>(i / nodes_per_block)][static_cast<std::size_t>(i % nodes_per_block)];
  }
  bool any_gradient(index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i)
      if (node_at(i).gradient) return true;
    return false;
  }
  static void release(detail::node<Exec>& n) {
    if (n.gradient) --n.gradient->holders;
    n.gradient = nullptr;
  }
  static view<scalar, 2> gradient_view(const detail::node<Exec>& n) {
    return {n.gradient->memory.all().data, n.value.rows(), n.value.cols()};
  }
  /// A shared buffer is copied before it is written.
  void own(detail::node<Exec>& n);

  Exec* exec_;
  step_memory<Exec> memory_;
  host_allocator host_;
  step_memory<host_allocator> host_memory_{host_};
  detail::gradient_pool<Exec> gradients_;
  recording mode_;
  std::vector<std::unique_ptr<detail::node<Exec>[]>> nodes_;
  index_t node_count_ = 0;
  index_t outputs_begin_ = 0;
  std::vector<step_record> steps_;
};

template <class Exec>
void tape<Exec>::backward() {
  for (auto s = steps_.rbegin(); s != steps_.rend(); ++s) {
    if (s->first_output == s->last_output || any_gradient(s->first_output, s->last_output)) s->run(s->step, *this);
    for (index_t i = s->first_output; i < s->last_output; ++i) release(node_at(i));
  }
  for (index_t i = 0; i < node_count_; ++i) release(node_at(i));
  steps_.clear();
}

template <class Exec>
void tape<Exec>::reset() {
  for (index_t i = 0; i < node_count_; ++i) release(node_at(i));
  node_count_ = outputs_begin_ = 0;
  steps_.clear();
  host_memory_.reset();
  memory_.reset();
}

template <class Exec>
auto tape<Exec>::sink(var<Exec> x) -> gradient_sink<scalar> {
  detail::node<Exec>& n = *x.node();
  if (!n.differentiable) return {};
  if (!n.gradient) {
    n.gradient = gradients_.acquire(n.value.size());
    return {gradient_view(n), false};
  }
  own(n);
  return {gradient_view(n), true};
}

template <class Exec>
void tape<Exec>::pass_gradient(var<Exec> y, var<Exec> x) {
  detail::node<Exec>& to = *x.node();
  if (!to.differentiable) return;
  if (to.gradient) {
    exec_->accumulate(sink(x), gradient(y));
    return;
  }
  to.gradient = y.node()->gradient;
  ++to.gradient->holders;
}

template <class Exec>
var<Exec> tape<Exec>::make(view<scalar, 2> value, bool differentiable) {
  if (node_count_ == static_cast<index_t>(nodes_.size()) * nodes_per_block)
    nodes_.emplace_back(new detail::node<Exec>[nodes_per_block]);
  detail::node<Exec>& n = node_at(node_count_++);
  n = {value, nullptr, differentiable};
  return var<Exec>(&n);
}

template <class Exec>
void tape<Exec>::own(detail::node<Exec>& n) {
  if (n.gradient->holders == 1) return;
  const view<scalar, 2> shared = gradient_view(n);
  --n.gradient->holders;
  n.gradient = gradients_.acquire(n.value.size());
  exec_->copy(gradient_view(n).flat(), shared.flat());
}

}  // namespace transfusion
