// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "transfusion/layer/llama_block.hpp"
#include "transfusion/layer/norm.hpp"

namespace transfusion::layer {

/// L blocks of one type and the final norm. Depth is a run-time loop: one block type is compiled once.
template <class Block, class Exec>
struct trunk {
  using block_layer = typename Block::template layer<Exec>;

  std::vector<block_layer> blocks;
  norm<Exec> final_norm;

  trunk(parameter_set<Exec>& set, const block_shape& s)
      : blocks(make_blocks(set, s)), final_norm(set, "final_norm", s.width, s.norm_epsilon) {}

  /// x, result: [N, D].
  var<Exec> operator()(tape<Exec>& tape, var<Exec> x, const attention_context<Exec>& context) const {
    residual_stream<Exec> stream{x, {}};
    index_t number = 0;
    for (const block_layer& block : blocks) block(tape, stream, context, number++);
    return final_norm(tape, stream);
  }

 private:
  static std::vector<block_layer> make_blocks(parameter_set<Exec>& set, const block_shape& s) {
    std::vector<block_layer> made;
    made.reserve(static_cast<std::size_t>(s.layers));
    for (index_t i = 0; i < s.layers; ++i) made.emplace_back(set, "blocks." + std::to_string(i), s);
    return made;
  }
};

}  // namespace transfusion::layer
