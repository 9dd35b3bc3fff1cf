// SPDX-License-Identifier: Apache-2.0
#include "text_pairs/support/settings.hpp"

#include <zlib.h>

#include <cmath>

#include "support/file.hpp"
#include "support/options.hpp"
#include "text_pairs/support/sentencepiece.hpp"
#include "transfusion/core/error.hpp"

namespace text_pairs {

namespace {

std::uint32_t checksum(const corpus& c) {
  uLong sum = crc32(0, nullptr, 0);
  for (const auto* passages : {&c.train, &c.held_out})
    for (const passage& p : *passages)
      sum = crc32(sum, reinterpret_cast<const Bytef*>(p.text.data()), static_cast<uInt>(p.text.size()));
  return static_cast<std::uint32_t>(sum);
}

}  // namespace

void settings::add_to(CLI::App& app) {
  support::quick_run quick_values(app, quick);
  app.add_option("--out", out, "Folder for results, pictures and report; what is finished there is not run again")
      ->capture_default_str();
  auto* which = app.add_option("--corpus", corpus_name,
                               "bible: the King James Bible (Debian: bible-kjv); wordnet: glosses (wordnet-base)")
                    ->capture_default_str()
                    ->check(CLI::IsMember({"bible", "wordnet"}));
  app.add_option("--text", text, "Text files of your own in place of a corpus")
      ->check(CLI::ExistingFile)
      ->excludes(which);
  app.add_option("--tokenizer", tokenizer, "bytes, or sentencepiece (Debian: libsentencepiece-dev)")
      ->capture_default_str()
      ->check(CLI::IsMember({"bytes", "sentencepiece"}));
  auto* learnt = support::add_positive(app, "--pieces", pieces, "Pieces that SentencePiece learns from the text");
  app.add_option("--tokenizer-model", tokenizer_model, "A model file of SentencePiece, not learnt from the text")
      ->check(CLI::ExistingFile)
      ->excludes(learnt);
  device.add_to(app);
  support::add_positive(app, "--seeds", seeds, "How often both models are trained, with seeds 1, 2, ...");
  support::add_positive(app, "--steps", steps, "Optimiser steps of each training");
  support::add_positive(app, "--text-rows", text_rows, "Tokens of text a step, marks included");
  support::add_positive(app, "--pair-share", pair_share, "Tokens of pairs in the mixture for each token of text");
  support::add_positive(app, "--rate", rate, "Peak learning rate");
  support::add_transformer(app, layers, width, heads);
  support::add_positive(app, "--patch", patch, "Pixels a side of a patch");
  support::add_positive(app, "--read", read, "Bytes of held-out text to measure");
  support::add_within(app, "--read-pairs", read_pairs, 2, 100000, "Held-out pairs to measure");
  support::add_within(app, "--image-steps", image_steps, 2, 1000, "Solver steps a picture");
  app.add_option("--guidance", guidance, "Scale of classifier-free guidance")->capture_default_str();
  quick_values.with("--steps", steps, 1500)
      .with("--text-rows", text_rows, 1024)
      .with("--rate", rate, 3e-3)
      .with("--layers", layers, 3)
      .with("--width", width, 96)
      .with("--heads", heads, 3)
      .with("--read", read, 100000)
      .with("--read-pairs", read_pairs, 128)
      .with("--image-steps", image_steps, 25);
  app.parse_complete_callback([this] {
    if (tokenizer == "bytes" && !tokenizer_model.empty())
      throw CLI::ValidationError("--tokenizer-model", "needs --tokenizer sentencepiece");
  });
}

index_t settings::mixture_rows() const {
  return text_rows + static_cast<index_t>(std::llround(pair_share * static_cast<double>(text_rows)));
}

corpus settings::load() const {
  if (!text.empty()) return file_corpus(text);
  return corpus_name == "wordnet" ? wordnet_corpus() : bible_corpus();
}

std::unique_ptr<support::vocabulary> settings::make_tokenizer(const corpus& c) const {
  if (tokenizer == "bytes") return std::make_unique<support::byte_vocabulary>();
  require_utf8(c);
  if (!tokenizer_model.empty())
    return std::make_unique<sentencepiece_vocabulary>(support::read_file(tokenizer_model), tokenizer_model);
  const fs::path kept = fs::path(out) / "tokenizer.model";
  if (!fs::exists(kept)) {
    const std::string model = sentencepiece_vocabulary::learn(c.train, pieces);
    fs::create_directories(out);
    support::write_file(kept, model);
  }
  auto learnt = std::make_unique<sentencepiece_vocabulary>(support::read_file(kept), kept.string());
  const index_t found = learnt->size() - support::vocabulary::specials;
  tf::require<tf::config_error>(found == pieces, kept.string(), ": found ", found, " pieces, expected ", pieces,
                                " (--pieces); give another --out, or delete the file");
  return learnt;
}

nlohmann::json settings::of_results(const corpus& c, const support::vocabulary& words) const {
  return {{"corpus", c.name},
          {"corpus_bytes", bytes_of(c.train) + bytes_of(c.held_out)},
          {"corpus_crc32", checksum(c)},
          {"tokenizer", nlohmann::json::parse(words.to_json())},
          {"device", device.where == support::device::cuda ? "cuda" : "cpu"},
          {"steps", steps},
          {"text_rows", text_rows},
          {"pair_share", pair_share},
          {"rate", rate},
          {"layers", layers},
          {"width", width},
          {"heads", heads},
          {"patch", patch},
          {"read", read},
          {"read_pairs", read_pairs},
          {"image_steps", image_steps},
          {"guidance", guidance}};
}

}  // namespace text_pairs
