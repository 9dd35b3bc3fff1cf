// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/edit_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

#include "scenes/support/draw.hpp"

namespace scenes {

namespace {

/// Those that no caption has. Their places are in files.
constexpr std::array<std::string_view, 6> instruction_words{"make", "the", "remove", "move", "up", "down"};

/// Words of the longest instruction. Others are filled up to it: then what is to be copied lies at one distance in
/// every document, which rotary positions tell best.
constexpr std::size_t longest = 5;

/// Gives a model the weights of one of fewer tokens. The rows of the others come last, and stay as they are.
template <class Exec>
void take_weights(model<Exec>& to, model<Exec>& from) {
  std::vector<tf::view<typename Exec::real, 1>> known;
  from.parameters().each([&](tf::parameter<Exec> p) { known.push_back(p.master()); });
  auto next = known.begin();
  to.parameters().each([&](tf::parameter<Exec> p) {
    to.exec().copy(p.master().slice(0, next->size()), *next);
    ++next;
  });
  to.parameters().refresh();
}

}  // namespace

index_t edit_vocabulary_size() { return vocabulary().size() + std::ssize(instruction_words) + 1; }

tf::text tokens(const edit& e) {
  tf::text t;
  for (const std::string& word : support::word_vocabulary::split(instruction(e))) {
    const auto own = std::ranges::find(instruction_words, word);
    t.tokens.push_back(own == instruction_words.end()
                           ? vocabulary().encode(word).front()
                           : static_cast<tf::token_t>(vocabulary().size() + (own - instruction_words.begin())));
  }
  t.tokens.resize(longest, static_cast<tf::token_t>(edit_vocabulary_size() - 1));
  return t;
}

tf::document edit_prompt(const scene& before, const edit& asked, index_t side) {
  tf::image given = draw(before, side);
  given.context = true;
  return {std::move(given), tokens(asked)};
}

std::vector<tf::document> edit_documents(index_t step, const edit_training& how, index_t side) {
  const tf::data_order order(how.seed, how.examples);
  std::vector<tf::document> documents;
  for (index_t i = 0; i < how.batch; ++i) {
    const edited_scene e = training_edit(how.seed, static_cast<std::uint64_t>(order(step * how.batch + i)));
    documents.push_back(edit_prompt(e.before, e.asked, side));
    documents.back().segments.emplace_back(draw(e.after, side));
  }
  return documents;
}

void edit_training::add_to(CLI::App& app) {
  const auto option = [&](const char* flag, auto& member, const char* about) {
    app.add_option(flag, member, about)->capture_default_str();
  };
  option("--examples", examples, "Different edits, up to 8000");
  option("--epochs", epochs, "How often each is learnt");
  option("--batch", batch, "Edits a step");
  option("--rate", rate, "Peak learning rate");
  option("--text-dropout", text_dropout, "Share that is learnt without the instruction");
  option("--context-dropout", context_dropout, "Share that is learnt without the picture before as well");
  option("--seed", seed, "Seed of edits and noise");
  app.add_flag("--resume", resume, "Go on from the checkpoint; give the run's own options");
}

index_t edit_training::steps() const {
  tf::require<tf::config_error>(examples >= 1 && examples <= most_examples, "--examples: found ", examples,
                                ", expected 1 to ", most_examples);
  tf::require<tf::config_error>(epochs > 0 && std::isfinite(epochs), "--epochs: found ", epochs,
                                ", expected more than 0");
  tf::require<tf::config_error>(batch >= 1, "--batch: found ", batch, ", expected 1 or more");
  return static_cast<index_t>(std::ceil(epochs * static_cast<double>(examples) / static_cast<double>(batch)));
}

template <class Exec>
support::training_summary fine_tune(Exec& e, const std::filesystem::path& base, const edit_training& how,
                                    const std::filesystem::path& checkpoint, const std::filesystem::path& log) {
  support::run_settings run{.steps = how.steps(), .rate = how.rate};
  run.caption_dropout = how.context_dropout;
  run.text_dropout = how.text_dropout;
  run.resume = how.resume;
  tf::require<tf::config_error>(std::filesystem::exists(base), "--base: found no file ", base.string(),
                                ", expected a trained model: scenes_train --checkpoint ", base.string(), " makes one");
  auto known = load(e, base);
  auto sizes = known.drawer.config();
  sizes.vocabulary = edit_vocabulary_size();
  const auto documents_of = [&](index_t step) { return edit_documents(step, how, known.side); };
  return support::train_for<model<Exec>>(e, sizes, run, how.seed, documents_of, checkpoint, log,
                                         metadata_of(known.side),
                                         [&](model<Exec>& m) { take_weights(m, known.drawer); });
}

template support::training_summary fine_tune(support::cpu_policy&, const std::filesystem::path&, const edit_training&,
                                             const std::filesystem::path&, const std::filesystem::path&);
#if TRANSFUSION_HAS_CUDA
template support::training_summary fine_tune(support::cuda_policy&, const std::filesystem::path&, const edit_training&,
                                             const std::filesystem::path&, const std::filesystem::path&);
#endif

}  // namespace scenes
