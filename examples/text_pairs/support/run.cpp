// SPDX-License-Identifier: Apache-2.0
#include "text_pairs/support/run.hpp"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <utility>

#include "scenes/support/model.hpp"
#include "scenes/support/score.hpp"
#include "support/file.hpp"
#include "support/grid.hpp"
#include "support/same_settings.hpp"
#include "support/training.hpp"
#include "text_pairs/support/utf8.hpp"
#include "transfusion/generate.hpp"
#include "transfusion/io.hpp"
#include "transfusion/metric/likelihood.hpp"
#include "transfusion/train.hpp"

namespace text_pairs {

namespace {

using scenes::recipe;
template <class Exec>
using model = tf::model<recipe, Exec>;

constexpr index_t loss_parts = 40;
constexpr const char *vocabulary_key = "vocabulary", *settings_key = "settings";

/// One training of the list.
struct job {
  const material& data;
  const settings& set;
  const nlohmann::json& of_results;
  bool with_pairs;
  std::uint64_t seed;

  std::string name() const { return (with_pairs ? "mixture-" : "text-") + std::to_string(seed); }
  fs::path folder() const { return fs::path(set.out) / "runs"; }
  fs::path checkpoint() const { return folder() / (name() + ".safetensors"); }
  fs::path log() const { return folder() / (name() + ".csv"); }
};

tf::model_config<recipe> sizes_of(const job& j) {
  tf::model_config<recipe> c{
      .layers = j.set.layers, .width = j.set.width, .heads = j.set.heads, .vocabulary = j.data.words().size()};
  c.codec.channels = 3;
  c.codec.patch = j.set.patch;
  return c;
}

/// Throws where a checkpoint was made with another tokenizer or other settings.
void require_own(const job& j) {
  const tf::safetensors_file file(j.checkpoint());
  const auto text = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string("none") : found->second;
  };
  const std::string words = j.data.words().to_json();
  tf::require<tf::format_error>(text(vocabulary_key) == words, j.checkpoint().string(), ": metadata \"", vocabulary_key,
                                "\": found ", text(vocabulary_key), ", expected ", words,
                                " (the tokenizer of this run)");
  const auto made_with = nlohmann::json::parse(text(settings_key), nullptr, false);
  tf::require<tf::format_error>(!made_with.is_discarded(), j.checkpoint().string(), ": metadata \"", settings_key,
                                "\": found no JSON");
  support::require_same(made_with, j.of_results, j.checkpoint().string());
}

/// The next-token loss in parts of a run, from its log: it also has what was done before a resume.
std::vector<double> losses_of(const job& j) {
  const auto parts = static_cast<std::size_t>(std::min(loss_parts, j.set.steps));
  std::vector<double> sums(parts), counts(parts);
  std::istringstream log(support::read_file(j.log()));
  std::string line;
  std::getline(log, line);  // the names
  index_t step = 0;
  double loss = 0;
  for (char comma; log >> step >> comma >> loss; std::getline(log, line)) {
    const auto part = static_cast<std::size_t>(step) * parts / static_cast<std::size_t>(j.set.steps);
    sums.at(part) += loss;
    counts.at(part) += 1;
  }
  for (std::size_t i = 0; i < parts; ++i) sums[i] /= std::max(counts[i], 1.0);
  return sums;
}

template <class Model>
void train(Model& m, tf::trainer<Model>& trainer, const job& j, result& r) {
  tf::token_mixture batches = j.data.batches(j.with_pairs, j.seed);
  trainer.run(batches);
  r.losses = losses_of(j);
  r.parameters = static_cast<double>(m.parameters().count());
  const auto given = batches.totals(j.set.steps);
  r.text_rows = static_cast<double>(given.rows[0]);
  r.pair_rows = j.with_pairs ? static_cast<double>(given.rows[1]) : 0;
  r.fill = given.fill;
}

template <class Model>
void read_text(Model& m, const job& j, result& r) {
  tf::progress bar("read text", std::ssize(j.data.held_out()));
  for (const held_out_passage& p : j.data.held_out()) {
    double sum = 0;
    for (const double l : tf::text_log_likelihood(m, p.pieces)) sum += l;
    index_t targets = 0;
    for (const tf::document& d : p.pieces) targets += tf::text_target_count(m, d);
    r.log_likelihoods.push_back(sum);
    r.targets.push_back(static_cast<double>(targets));
    r.bytes.push_back(static_cast<double>(p.bytes));
    if (bar.due()) bar.update(std::ssize(r.bytes), "");
  }
}

/// The denoising loss of each held-out pair, the same noise for every model.
template <class Model>
void read_pairs(Model& m, const job& j, result& r) {
  tf::tape<typename Model::exec_type> tape(m.exec(), tf::recording::off);
  for (const tf::document& d : j.data.held_out_pairs()) {
    tape.reset();
    const auto batch = m.pack({d});
    const tf::random_key key{7, static_cast<std::uint32_t>(r.denoising.size()), tf::stream::noise};
    r.denoising.push_back(m.loss(tape, batch, m.plan_noise(batch, key)).mean(m.exec(), 1));
  }
}

template <class Model>
void write_on(const Model& m, const job& j, result& r) {
  constexpr index_t given = 60, longest = 240;
  const tf::document& passage = j.data.held_out().front().pieces.front();
  tf::document prompt = tf::text_piece(passage, 0, std::min(given, tf::text_tokens(passage) - 1));
  tf::generator<Model> generate(m, {.text = {.temperature = 0.8}, .max_tokens = longest, .max_images = 0});
  std::vector<support::token_t> tokens;
  const auto written = generate({{.prompt = prompt, .seed = j.seed}});
  for (const auto& s : written.front().content.segments)
    if (const auto* t = std::get_if<tf::text>(&s)) tokens.insert(tokens.end(), t->tokens.begin(), t->tokens.end());
  r.sample = printable(j.data.words().decode(tokens));
}

/// A word a line or two, under a picture.
std::string label_of(const scenes::prompt& p) {
  std::string words = caption(p);
  for (const char* before : {" left", " right", " above", " below"})
    if (const auto at = words.find(before); at != std::string::npos) words[at] = '\n';
  return words;
}

template <class Model>
void draw(const Model& m, const job& j, result& r) {
  constexpr std::size_t across = 4;
  const auto prompts = j.data.to_draw();
  std::vector<tf::generation_request> requests;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    requests.push_back({{j.data.tokens(caption(prompts[i]))}, true, j.seed * 1000003 + i});
  tf::generator<Model> generate(m, {.max_tokens = 0,
                                    .image = {3, material::side, material::side},
                                    .image_steps = j.set.image_steps,
                                    .guidance = j.set.guidance});
  std::vector<support::grid_row> rows;
  const auto drawn = generate(requests);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const auto& picture = std::get<tf::image>(drawn[i].content.segments.back());
    if (i % across == 0) rows.push_back({});
    rows.back().cells.push_back({picture.values, picture.shape, label_of(prompts[i]),
                                 is_right(prompts[i], picture) ? support::colors::good : support::colors::bad});
  }
  r.pictures = j.name() + ".png";
  support::draw_grid(rows, {.title = "Drawn after training on the mixture", .magnify = 4})
      .save(j.folder() / r.pictures);
}

template <class Exec>
result run(Exec& e, const job& j) {
  std::printf("%s: %s\n", j.name().c_str(), j.with_pairs ? "text and pairs" : "text alone");
  result r;
  r.data = j.with_pairs ? "mixture" : "text";
  r.seed = j.seed;
  r.settings = j.of_results;
  model<Exec> m(e, sizes_of(j), j.seed);
  tf::train_options options = support::short_run(j.set.steps, j.set.rate, j.seed);
  options.log_path = j.log().string();
  options.checkpoint_path = j.checkpoint().string();
  options.checkpoint_every = std::max<index_t>(1, j.set.steps / 10);
  tf::trainer<model<Exec>> trainer(m, options);
  trainer.set_metadata({{vocabulary_key, j.data.words().to_json()}, {settings_key, j.of_results.dump()}});
  if (fs::exists(j.checkpoint())) trainer.resume(j.checkpoint().string());
  train(m, trainer, j, r);

  const tf::averaged_weights<Exec> averaged(e, m.parameters(), trainer.optimiser());
  read_text(m, j, r);
  write_on(m, j, r);
  if (j.with_pairs) {
    read_pairs(m, j, r);
    draw(m, j, r);
  }
  return r;
}

}  // namespace

std::vector<result> run_missing(const material& m, const settings& s, const nlohmann::json& of_results) {
  const support::json_store store(fs::path(s.out) / "runs");
  std::vector<result> results;
  std::vector<job> missing;
  for (index_t seed = 1; seed <= s.seeds; ++seed)
    for (const bool with_pairs : {false, true}) {
      const job j{m, s, of_results, with_pairs, static_cast<std::uint64_t>(seed)};
      auto found = find_result(store, j.name(), of_results);
      if (!found && fs::exists(j.checkpoint())) require_own(j);
      if (found)
        results.push_back(std::move(*found));
      else
        missing.push_back(j);
    }
  if (missing.empty()) return results;
  support::on_device(s.device, [&](auto& e) {
    for (const job& j : missing) {
      results.push_back(run(e, j));
      store.put(j.name(), results.back().to_json());
    }
  });
  return results;
}

}  // namespace text_pairs
