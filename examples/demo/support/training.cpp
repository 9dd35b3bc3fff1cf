// SPDX-License-Identifier: Apache-2.0
#include "demo/support/training.hpp"

namespace fashion {

namespace {

constexpr const char* vocabulary_key = "vocabulary";

}  // namespace

void settings::add_to(CLI::App& app) {
  app.add_option("--data", data_folder, "Folder with the four gzip'd IDX files of Fashion-MNIST")
      ->capture_default_str();
  device.add_to(app);
  app.add_option("--seed", seed, "Seed of weights, data order and noise")->capture_default_str();
}

training_settings::training_settings() {
  const config sizes = default_config();
  minutes = 5.5;
  pairs = 64;
  layers = sizes.layers;
  width = sizes.width;
  heads = sizes.heads;
  patch = sizes.codec.patch;
}

config training_settings::sizes() const {
  config c = default_config();
  c.layers = layers;
  c.width = width;
  c.heads = heads;
  c.codec.patch = patch;
  return c;
}

template <class Exec>
training_summary train(Exec& e, const data& d, const settings& common, const training_settings& how,
                       const std::filesystem::path& checkpoint, const std::filesystem::path& log) {
  const auto documents_of = [&](index_t step) { return d.documents(step, how.pairs, common.seed); };
  return support::train_for<model<Exec>>(e, how.sizes(), how, common.seed, documents_of, checkpoint, log,
                                         {{vocabulary_key, vocabulary().to_json()}});
}

template <class Exec>
model<Exec> load(Exec& e, const std::filesystem::path& checkpoint) {
  const tf::safetensors_file file(checkpoint);
  const auto words = file.metadata().find(vocabulary_key);
  tf::require<tf::format_error>(words != file.metadata().end() && words->second == vocabulary().to_json(),
                                checkpoint.string(), ": metadata \"", vocabulary_key, "\": found ",
                                words == file.metadata().end() ? "none" : words->second, ", expected ",
                                vocabulary().to_json());
  model<Exec> m(e, tf::read_config<recipe>(file), 0);
  tf::load_weights(file, m);
  return m;
}

template training_summary train(support::cpu_policy&, const data&, const settings&, const training_settings&,
                                const std::filesystem::path&, const std::filesystem::path&);
template model<support::cpu_policy> load(support::cpu_policy&, const std::filesystem::path&);
#if TRANSFUSION_HAS_CUDA
template training_summary train(support::cuda_policy&, const data&, const settings&, const training_settings&,
                                const std::filesystem::path&, const std::filesystem::path&);
template model<support::cuda_policy> load(support::cuda_policy&, const std::filesystem::path&);
#endif

}  // namespace fashion
