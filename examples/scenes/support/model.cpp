// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/model.hpp"

#include "scenes/support/draw.hpp"
#include "transfusion/io.hpp"
#include "transfusion/sequence/pair.hpp"

namespace scenes {

namespace {

constexpr const char* side_key = "side";

support::word_vocabulary all_words() {
  std::vector<std::string> captions;
  for (index_t t = 0; t < task_count; ++t)
    for (const auto* prompts : {&training_prompts(task_at(t)), &held_out_prompts(task_at(t))})
      for (const prompt& p : *prompts) captions.push_back(caption(p));
  return support::word_vocabulary(captions);
}

}  // namespace

const support::word_vocabulary& vocabulary() {
  static const support::word_vocabulary words = all_words();
  return words;
}

tf::text tokens(const prompt& p) { return {vocabulary().encode(caption(p))}; }

std::vector<tf::document> training_documents(index_t step, index_t count, index_t side, std::uint64_t seed) {
  std::vector<tf::document> documents;
  for (index_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::uint64_t>(step * count + i);
    const captioned_scene drawn = training_scene(seed, number);
    const double u = tf::random_key{seed, static_cast<std::uint32_t>(step), tf::stream::data_order}.uniform(
        static_cast<std::uint64_t>(i));
    documents.push_back(tf::paired(tokens(drawn.words), draw(drawn.shown, side), u));
  }
  return documents;
}

void training_settings::add_to(CLI::App& app) {
  app.add_option("--side", side, "Pixels a side of a scene")->capture_default_str()->check(CLI::IsMember({32, 64}));
  app.add_option("--seed", seed, "Seed of weights, scenes and noise")->capture_default_str();
  run_settings::add_to(app);
}

tf::model_config<recipe> training_settings::sizes() const {
  tf::model_config<recipe> c{.layers = layers, .width = width, .heads = heads, .vocabulary = vocabulary().size()};
  c.codec.channels = 3;
  c.codec.patch = patch;
  return c;
}

template <class Exec>
support::training_summary train(Exec& e, const training_settings& how, const std::filesystem::path& checkpoint,
                                const std::filesystem::path& log) {
  const auto documents_of = [&](index_t step) { return training_documents(step, how.pairs, how.side, how.seed); };
  return support::train_for<model<Exec>>(e, how.sizes(), how, how.seed, documents_of, checkpoint, log,
                                         metadata_of(how.side));
}

std::map<std::string, std::string> metadata_of(index_t side) { return {{side_key, std::to_string(side)}}; }

std::string in_words(const support::training_summary& done) {
  using support::fixed;
  return std::to_string(done.steps) + " steps, " + std::to_string(done.pictures) + " scenes, " +
         fixed(static_cast<double>(done.parameters) / 1e6) + " M parameters, " + fixed(done.tokens_per_second, 0) +
         " tokens/s, " + fixed(done.gflops, 0) + " GFLOP/s" + support::peak_memory(done);
}

template <class Exec>
trained<Exec> load(Exec& e, const std::filesystem::path& checkpoint, index_t words) {
  const tf::safetensors_file file(checkpoint);
  const auto side = file.metadata().find(side_key);
  const bool known = side != file.metadata().end() && (side->second == "32" || side->second == "64");
  tf::require<tf::format_error>(known, checkpoint.string(), ": metadata \"", side_key, "\": found ",
                                side == file.metadata().end() ? "none" : side->second, ", expected 32 or 64");
  const auto config = tf::read_config<recipe>(file);
  tf::require<tf::format_error>(config.vocabulary == words, checkpoint.string(), ": vocabulary: found ",
                                config.vocabulary, " tokens, expected ", words);
  trained<Exec> found{model<Exec>(e, config, 0), side->second == "64" ? 64 : 32};
  tf::load_weights(file, found.drawer);
  return found;
}

template support::training_summary train(support::cpu_policy&, const training_settings&, const std::filesystem::path&,
                                         const std::filesystem::path&);
template trained<support::cpu_policy> load(support::cpu_policy&, const std::filesystem::path&, index_t);
#if TRANSFUSION_HAS_CUDA
template support::training_summary train(support::cuda_policy&, const training_settings&, const std::filesystem::path&,
                                         const std::filesystem::path&);
template trained<support::cuda_policy> load(support::cuda_policy&, const std::filesystem::path&, index_t);
#endif

}  // namespace scenes
