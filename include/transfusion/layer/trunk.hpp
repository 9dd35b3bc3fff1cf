// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "transfusion/layer/modulation.hpp"
#include "transfusion/layer/norm.hpp"
#include "transfusion/layer/transformer_block.hpp"

namespace transfusion::layer {

/// Whether a block is made from the variant's norm, feed-forward and so on.
template <class Block, class Exec, class Parts>
concept takes_parts = requires {
  typename Block::template layer<Exec, Parts>;
};

namespace detail {

/// A block of a user's own need not take parts: `template <class Exec> struct layer` will do.
template <class Block, class Exec, class Parts>
struct block_layer {
  using type = typename Block::template layer<Exec>;
};
template <class Block, class Exec, class Parts>
requires takes_parts<Block, Exec, Parts>
struct block_layer<Block, Exec, Parts> {
  using type = typename Block::template layer<Exec, Parts>;
};

}  // namespace detail

/// L blocks of one type and the final norm, which norm_place::post has none of. Depth is a run-time loop: one block
/// type is compiled once. All members stand outside the class, so that who links the prebuilt trunk compiles no block.
template <class Block, class Exec, class Parts = block_parts<>>
class trunk {
 public:
  using block_layer = typename detail::block_layer<Block, Exec, Parts>::type;

  trunk(parameter_set<Exec>& set, const block_shape& s);
  trunk(trunk&&) noexcept;
  ~trunk();

  /// x, result: [N, D].
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, const attention_context<Exec>& context) const;

 private:
  using norm_layer = norm<Exec, typename Parts::norm>;

  static std::vector<block_layer> make_blocks(parameter_set<Exec>& set, const block_shape& s);
  static std::optional<norm_layer> make_final_norm(parameter_set<Exec>& set, const block_shape& s);

  std::vector<block_layer> blocks_;
  std::optional<norm_layer> final_norm_;
  std::conditional_t<Parts::modulates, modulated<Exec>, unchanged<Exec>> final_time_;
};

template <class Block, class Exec, class Parts>
trunk<Block, Exec, Parts>::trunk(parameter_set<Exec>& set, const block_shape& s)
    : blocks_(make_blocks(set, s)), final_norm_(make_final_norm(set, s)), final_time_(set, "time.final", s.width) {}
template <class Block, class Exec, class Parts>
trunk<Block, Exec, Parts>::trunk(trunk&&) noexcept = default;
template <class Block, class Exec, class Parts>
trunk<Block, Exec, Parts>::~trunk() = default;

template <class Block, class Exec, class Parts>
var<Exec> trunk<Block, Exec, Parts>::operator()(tape<Exec>& tape, var<Exec> x,
                                                const attention_context<Exec>& context) const {
  residual_stream<Exec> stream{x, {}};
  index_t number = 0;
  for (const block_layer& block : blocks_) block(tape, stream, context, number++);
  const auto hidden = final_norm_ ? (*final_norm_)(tape, stream, context.routes) : stream.value(tape);
  return final_time_(tape, hidden, context);
}

template <class Block, class Exec, class Parts>
auto trunk<Block, Exec, Parts>::make_blocks(parameter_set<Exec>& set, const block_shape& s)
    -> std::vector<block_layer> {
  std::vector<block_layer> made;
  made.reserve(static_cast<std::size_t>(s.layers));
  for (index_t i = 0; i < s.layers; ++i) made.emplace_back(set, "blocks." + std::to_string(i), s);
  return made;
}

template <class Block, class Exec, class Parts>
auto trunk<Block, Exec, Parts>::make_final_norm(parameter_set<Exec>& set, const block_shape& s)
    -> std::optional<norm_layer> {
  if (Parts::norm_place::after) return {};
  return norm_layer(set, "final_norm", s.width, s.norm_epsilon, s.routes_if(s.separate.rest));
}

}  // namespace transfusion::layer
