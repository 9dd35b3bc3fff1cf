// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "transfusion/io/model_file.hpp"
#include "transfusion/train/adamw.hpp"

namespace transfusion {

/// What a run needs beside weights and moments to go on.
struct training_state {
  index_t next_step = 0;
  std::uint64_t seed = 0;
};

namespace detail {

/// The blocks of a training checkpoint: a prefix for the tensors' names, and where they stand in memory.
template <class Model>
auto checkpoint_blocks(Model& model, const adamw<typename Model::exec_type>& optimiser) {
  using real = typename Model::real;
  std::vector<std::pair<std::string, view<real, 1>>> blocks{{"", model.parameters().values()},
                                                            {"adamw.first_moment.", optimiser.first_moment()},
                                                            {"adamw.second_moment.", optimiser.second_moment()}};
  if (optimiser.average()) blocks.emplace_back(average_prefix, optimiser.average());
  return blocks;
}

}  // namespace detail

/// How far the run had come that wrote a checkpoint.
inline training_state stored_training_state(const safetensors_file& file) {
  const char* taken_for = "a training checkpoint";
  const training_state state{detail::metadata_number<index_t>(file, detail::step_key, taken_for),
                             detail::metadata_number<std::uint64_t>(file, detail::seed_key, taken_for)};
  require<format_error>(state.next_step >= 0, file.path().string(), ": metadata \"", detail::step_key, "\": found ",
                        state.next_step, ", expected >= 0");
  return state;
}

/// Writes everything a run needs to go on: weights, both moments, the average if there is one, step and seed. Atomic: a
/// reader sees the old file or the new one, whole.
template <class Model>
void save_checkpoint(const std::filesystem::path& path, Model& model, const adamw<typename Model::exec_type>& optimiser,
                     training_state state, std::map<std::string, std::string> metadata = {}) {
  using exec = typename Model::exec_type;
  const auto blocks = detail::checkpoint_blocks(model, optimiser);
  std::vector<tensor_info> tensors;
  for (const auto& block : blocks)
    model.parameters().each([&](parameter<exec> p) {
      tensors.push_back(tensor_info::of<typename Model::real>(block.first + p.name(), p.shape()));
    });
  metadata[detail::config_key] = detail::config_text(model.config());
  metadata[detail::step_key] = std::to_string(state.next_step);
  metadata[detail::seed_key] = std::to_string(state.seed);
  safetensors_writer writer(path, std::move(tensors), std::move(metadata));
  for (const auto& block : blocks)
    model.parameters().each([&](parameter<exec> p) {
      const auto part = block.second.slice(p.offset(), p.offset() + p.size());
      detail::write_tensor<exec>(writer, model.exec(), block.first + p.name(), part);
    });
  writer.commit();
}

/// Reads a training checkpoint back. All names, types and shapes are checked before anything is changed.
template <class Model>
training_state load_checkpoint(const std::filesystem::path& path, Model& model,
                               const adamw<typename Model::exec_type>& optimiser) {
  using exec = typename Model::exec_type;
  const safetensors_file file(path);
  const training_state state = stored_training_state(file);
  const auto blocks = detail::checkpoint_blocks(model, optimiser);
  for (const auto& block : blocks)
    model.parameters().each([&](parameter<exec> p) { detail::check_tensor<exec>(file, block.first + p.name(), p); });
  model.parameters().each([&](parameter<exec> p) {
    require<format_error>(optimiser.average() || !file.find(std::string(detail::average_prefix) + p.name()),
                          file.path().string(), ": tensor '", detail::average_prefix, p.name(),
                          "': found a moving average, expected none, as this run's ema_decay is 0");
  });
  detail::check_config<typename Model::variant_type>(file, model.config(), true);
  for (const auto& block : blocks)
    model.parameters().each([&](parameter<exec> p) {
      detail::read_tensor<exec>(file, model.exec(), block.first + p.name(), p, block.second);
    });
  model.parameters().refresh();
  return state;
}

}  // namespace transfusion
