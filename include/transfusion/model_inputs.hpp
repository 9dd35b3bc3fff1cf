// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "transfusion/codec/concepts.hpp"
#include "transfusion/core/host_list.hpp"
#include "transfusion/core/philox.hpp"
#include "transfusion/diffusion/level.hpp"
#include "transfusion/layer/attention.hpp"
#include "transfusion/layer/timestep_mlp.hpp"
#include "transfusion/loss/concepts.hpp"
#include "transfusion/sequence/packed_batch.hpp"

namespace transfusion {

/// The noise of every image of a batch: how much (one level an image), and where its random numbers begin.
struct noise_plan {
  std::vector<noise_level> levels;  ///< [I]
  random_key key;
  index_t first_value = 0;  ///< of this batch among all values that share the key
};

/// What the rows of one pass are, on the host: a whole batch, or rows that join a cache.
struct pass_rows {
  std::span<const token_t> tokens;             ///< [N]; `ignored` on an image's rows
  std::span<const token_t> positions;          ///< [N, axes]
  std::span<const key_interval> keys;          ///< [N, 1 or 2]
  std::span<const modality_batch> modalities;  ///< one for each of the variant's
  std::span<const noise_level> levels;         ///< [I]; by the images' numbers
};

/// The images of one modality in a pass, and the rows that hold them.
template <class Exec>
struct modality_inputs {
  view<const token_t, 1> patch_rows;  ///< [P]
  view<const token_t, 1> time_rows;   ///< [I], or empty: the row of each image that tells its time
  image_batch<Exec> images;
};

/// One pass of rows through a model, on the device.
template <class Exec, std::size_t Modalities>
struct model_inputs {
  view<const token_t, 1> tokens;  ///< [N]; `ignored` on an image's rows
  std::array<modality_inputs<Exec>, Modalities> modalities;
  view<const typename Exec::real, 1> times;  ///< [I], modality after modality; empty where no block asks for them
  attention_context<Exec> context;
};

namespace detail {

/// The times of one modality's images, in the paper's steps of 1/1000.
template <class Exec>
void put_times(const modality_batch& part, std::span<const noise_level> levels, host_list<typename Exec::real>& times) {
  for (token_t number : part.numbers)
    times.push_back(static_cast<typename Exec::real>(levels[static_cast<std::size_t>(number)].time *
                                                     layer::timestep_mlp<Exec>::steps));
}

/// What modulates the rows of patches: the images of all modalities as one list.
template <class Exec, std::size_t Modalities>
void put_conditions(tape<Exec>& tape, const pass_rows& rows, model_inputs<Exec, Modalities>& in) {
  index_t images = 0, patches = 0;
  for (const modality_batch& part : rows.modalities) {
    images += part.image_count();
    patches += part.patches();
  }
  auto times = tape.template list<typename Exec::real>(images);
  auto patch_rows = tape.template list<token_t>(patches), patch_image = tape.template list<token_t>(patches);
  for (const modality_batch& part : rows.modalities) {
    const auto before = static_cast<token_t>(times.size());
    put_times<Exec>(part, rows.levels, times);
    for (token_t row : part.patch_rows) patch_rows.push_back(row);
    for (token_t image : part.patch_image) patch_image.push_back(before + image);
  }
  in.times = tape.upload(times);
  in.context.patch_rows = tape.upload(patch_rows);
  in.context.patch_image = tape.upload(patch_image);
}

/// The numbers of the rows whose token `belongs`.
template <class Exec, class Belongs>
view<const token_t, 1> rows_where(tape<Exec>& tape, const pass_rows& rows, Belongs belongs) {
  auto found = tape.template list<token_t>(static_cast<index_t>(rows.tokens.size()));
  for (std::size_t q = 0; q < rows.tokens.size(); ++q)
    if (belongs(rows.tokens[q])) found.push_back(static_cast<token_t>(q));
  return tape.upload(found);
}

/// The rows of text, then those of each modality: its patches, or its codes.
template <class Exec, std::size_t Modalities>
row_routes routes_of(tape<Exec>& tape, const pass_rows& rows, const model_inputs<Exec, Modalities>& in,
                     const std::array<modality_markers, Modalities>& tokens) {
  auto routes = tape.template list<view<const token_t, 1>>(1 + static_cast<index_t>(Modalities));
  routes.push_back(rows_where(tape, rows, [&](token_t t) {
    return t != ignored && std::none_of(tokens.begin(), tokens.end(), [&](const auto& m) { return m.is_code(t); });
  }));
  for (std::size_t m = 0; m < Modalities; ++m) {
    const modality_batch& part = rows.modalities[m];
    if (tokens[m].codes > 0) {
      routes.push_back(rows_where(tape, rows, [&](token_t t) { return tokens[m].is_code(t); }));
      continue;
    }
    if (part.time_rows.empty()) {
      routes.push_back(in.modalities[m].patch_rows);
      continue;
    }
    auto all = tape.template list<token_t>(part.patches() + static_cast<index_t>(part.time_rows.size()));
    for (token_t row : part.time_rows) all.push_back(row);
    for (token_t row : part.patch_rows) all.push_back(row);
    routes.push_back(tape.upload(all));
  }
  return routes;
}

}  // namespace detail

/// Losses of one pass, on the device until asked for.
template <class Exec, std::size_t Terms>
struct model_losses {
  std::array<loss::term_values<Exec>, Terms> terms;

  /// Σ shares · values of term i: this batch's part of the step's mean.
  double mean(Exec& exec, std::size_t i) const {
    const auto& term = terms[i];
    constexpr index_t piece = 512;
    typename Exec::real host[piece];
    double sum = 0;
    for (index_t begin = 0; begin < term.each.size(); begin += piece) {
      const index_t count = std::min(piece, term.each.size() - begin);
      exec.download(host, term.each.data + begin, static_cast<std::size_t>(count) * sizeof(typename Exec::real));
      for (index_t j = 0; j < count; ++j) sum += term.part(begin + j, static_cast<double>(host[j]));
    }
    return sum;
  }
};

}  // namespace transfusion
