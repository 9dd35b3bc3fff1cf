// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Whether the embedding of the words and the head are one matrix.
namespace transfusion::embeddings {

/// Two matrices, `embedding` and `head`: Llama and the paper.
struct untied {
  static constexpr bool one_matrix = false;
};
/// One matrix, `embedding`, whose gradient is the sum of both uses (Press & Wolf 2017).
struct tied {
  static constexpr bool one_matrix = true;
};

}  // namespace transfusion::embeddings
