// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "transfusion/autoencoder/code_use.hpp"
#include "transfusion/io/autoencoder_file.hpp"
#include "transfusion/train/adamw.hpp"

namespace transfusion {

/// What an autoencoder's run needs beside its weights to go on. Pointers to what a run does not have are null.
template <class Exec>
struct autoencoder_state {
  index_t next_step = 0;
  std::uint64_t seed = 0;
  const adamw<Exec>* optimiser = nullptr;
  parameter_set<Exec>* discriminator = nullptr;
  const adamw<Exec>* discriminator_optimiser = nullptr;
  code_use* codes = nullptr;
  std::optional<latent_scale>* scale = nullptr;
};

namespace detail {

inline constexpr const char* code_counts = "codes.counts";
inline constexpr const char* code_steps = "codes.last_step";
inline constexpr const char* code_renewals = "codes.renewed";

/// A prefix for the names of a set's tensors, the set, and where they stand.
template <class Exec>
struct state_block {
  std::string prefix;
  parameter_set<Exec>* set;
  view<typename Exec::real, 1> memory;
};

template <class Exec>
std::vector<state_block<Exec>> state_blocks(parameter_set<Exec>& weights, const autoencoder_state<Exec>& state) {
  std::vector<state_block<Exec>> blocks;
  const auto add = [&](parameter_set<Exec>& set, const adamw<Exec>& optimiser) {
    blocks.push_back({"", &set, set.values()});
    blocks.push_back({"adamw.first_moment.", &set, optimiser.first_moment()});
    blocks.push_back({"adamw.second_moment.", &set, optimiser.second_moment()});
    if (optimiser.average()) blocks.push_back({std::string(average_prefix), &set, optimiser.average()});
  };
  add(weights, *state.optimiser);
  if (state.discriminator) add(*state.discriminator, *state.discriminator_optimiser);
  return blocks;
}

/// All tensors of a run's checkpoint.
template <class Exec>
std::vector<tensor_info> state_tensors(const std::vector<state_block<Exec>>& blocks, index_t codes,
                                       const std::optional<latent_scale>& scale) {
  std::vector<tensor_info> tensors;
  for (const auto& b : blocks)
    b.set->each([&](parameter<Exec> p) {
      tensors.push_back(tensor_info::of<typename Exec::real>(b.prefix + p.name(), p.shape()));
    });
  if (codes > 0) {
    tensors.push_back(tensor_info::of<double>(code_counts, {codes}));
    for (const char* name : {code_steps, code_renewals})
      tensors.push_back(tensor_info::of<std::int64_t>(name, {codes}));
  }
  add_scale_tensors(tensors, scale);
  return tensors;
}

/// Throws format_error naming a tensor of the file that this run has no place for: to go on would lose it.
inline void require_no_others(const safetensors_file& file, const std::vector<tensor_info>& expected) {
  for (const tensor_info& found : file.infos()) {
    const bool known =
        std::any_of(expected.begin(), expected.end(), [&](const tensor_info& info) { return info.name == found.name; });
    require<format_error>(known, file.path().string(), ": tensor '", found.name,
                          "': found one that this run has no place for, expected the options of the run that wrote it");
  }
}

}  // namespace detail

/// Writes all of a run: weights, moments and averages of the autoencoder and its discriminator, the use of the codes,
/// step and seed. Atomic.
template <class Bottleneck, class Exec>
void save_autoencoder_checkpoint(const std::filesystem::path& path, autoencoder<Bottleneck, Exec>& model,
                                 const autoencoder_state<Exec>& state) {
  const auto blocks = detail::state_blocks(model.parameters(), state);
  const index_t codes = state.codes->codes();
  safetensors_writer writer(path, detail::state_tensors(blocks, codes, *state.scale),
                            {{detail::autoencoder_key,
                              detail::autoencoder_json<Bottleneck>(model.options(), model.bottleneck_options()).dump()},
                             {detail::step_key, std::to_string(state.next_step)},
                             {detail::seed_key, std::to_string(state.seed)}});
  for (const auto& b : blocks)
    b.set->each([&](parameter<Exec> p) {
      detail::write_tensor<Exec>(writer, model.exec(), b.prefix + p.name(),
                                 b.memory.slice(p.offset(), p.offset() + p.size()));
    });
  if (codes > 0) {
    writer.write(detail::code_counts, state.codes->counts().data(), codes);
    writer.write(detail::code_steps, state.codes->last_steps().data(), codes);
    writer.write(detail::code_renewals, state.codes->renewed_steps().data(), codes);
  }
  detail::write_scale(writer, *state.scale);
  writer.commit();
}

/// Reads a checkpoint back and gives the next step. Everything is checked before anything is changed. Throws
/// format_error on a file that does not fit, config_error on another seed.
template <class Bottleneck, class Exec>
index_t load_autoencoder_checkpoint(const std::filesystem::path& path, autoencoder<Bottleneck, Exec>& model,
                                    const autoencoder_state<Exec>& state) {
  const safetensors_file file(path);
  detail::require_same_autoencoder(file, model);
  const char* taken_for = "an autoencoder's checkpoint";
  const auto next = detail::metadata_number<index_t>(file, detail::step_key, taken_for);
  require<format_error>(next >= 0, path.string(), ": next step: found ", next, ", expected >= 0");
  const auto seed = detail::metadata_number<std::uint64_t>(file, detail::seed_key, taken_for);
  require<config_error>(seed == state.seed, path.string(), ": seed: found ", seed, ", expected ", state.seed,
                        " (the seed given to this run)");
  const auto blocks = detail::state_blocks(model.parameters(), state);
  for (const auto& b : blocks)
    b.set->each([&](parameter<Exec> p) { detail::check_tensor<Exec>(file, b.prefix + p.name(), p); });
  const index_t codes = state.codes->codes();
  auto scale = read_autoencoder<Bottleneck>(file).scale;
  detail::require_no_others(file, detail::state_tensors(blocks, codes, scale));
  std::vector<double> counts(static_cast<std::size_t>(codes));
  std::vector<std::int64_t> last(counts.size()), renewed(counts.size());
  if (codes > 0) {
    file.read(detail::code_counts, counts.data(), codes);
    file.read(detail::code_steps, last.data(), codes);
    file.read(detail::code_renewals, renewed.data(), codes);
  }
  for (const auto& b : blocks)
    b.set->each(
        [&](parameter<Exec> p) { detail::read_tensor<Exec>(file, model.exec(), b.prefix + p.name(), p, b.memory); });
  model.parameters().refresh();
  if (state.discriminator) state.discriminator->refresh();
  state.codes->restore(std::move(counts), std::move(last), std::move(renewed));
  *state.scale = std::move(scale);
  return next;
}

}  // namespace transfusion
