// SPDX-License-Identifier: Apache-2.0
#include "text_pairs/support/material.hpp"

#include <algorithm>

#include "scenes/support/draw.hpp"
#include "scenes/support/generate.hpp"
#include "scenes/support/task.hpp"
#include "transfusion/codec/linear_patch.hpp"
#include "transfusion/core/error.hpp"
#include "transfusion/sequence/pair.hpp"
#include "transfusion/sequence/text_piece.hpp"
#include "transfusion/train/data_order.hpp"

namespace text_pairs {

namespace {

using support::vocabulary;

constexpr std::uint64_t held_out_seed = std::uint64_t{1} << 40;  // no run has it
constexpr tf::image_shape scene_shape{3, material::side, material::side};

tf::packing_rules rules() { return {vocabulary::bos, vocabulary::eos, {{vocabulary::boi, vocabulary::eoi}}}; }

tf::grid_rule grid_of(index_t patch) {
  return [patch](tf::image_shape s, index_t) {
    return tf::codec::linear_patch::grid(s, {.channels = s.channels, .patch = patch});
  };
}

/// Held-out passages in an order of chance, as many as hold so many bytes, two at least.
std::vector<const passage*> chosen(const std::vector<passage>& held_out, index_t bytes) {
  const tf::data_order order(0, std::ssize(held_out));
  std::vector<const passage*> found;
  for (index_t i = 0, read = 0; i < std::ssize(held_out) && (i < 2 || read < bytes); ++i) {
    found.push_back(&held_out[static_cast<std::size_t>(order(i))]);
    read += std::ssize(found.back()->text);
  }
  return found;
}

held_out_passage cut(const passage& p, const vocabulary& words, index_t piece) {
  held_out_passage cut{std::ssize(p.text), {}};
  const tf::document whole{tf::text{words.encode(p.text)}};
  const index_t count = tf::text_tokens(whole);
  for (index_t begin = 0; begin < count; begin += piece)
    cut.pieces.push_back(tf::text_piece(whole, begin, std::min(begin + piece, count)));
  return cut;
}

/// A scene of a run with its caption; without its pixels where only its length is asked for.
tf::document pair(const vocabulary& words, std::uint64_t seed, index_t number, bool drawn) {
  const auto n = static_cast<std::uint64_t>(number);
  const scenes::captioned_scene c = scenes::training_scene(seed, n);
  const double u = tf::random_key{seed, 0, tf::stream::data_order}.uniform(n);
  return tf::paired({words.encode(caption(c.words))},
                    drawn ? scenes::draw(c.shown, material::side) : tf::image{scene_shape, {}}, u);
}

index_t longest_caption(const vocabulary& words) {
  std::size_t longest = 0;
  for (index_t t = 0; t < scenes::task_count; ++t)
    for (const scenes::prompt& p : scenes::training_prompts(scenes::task_at(t)))
      longest = std::max(longest, words.encode(caption(p)).size());
  return static_cast<index_t>(longest);
}

}  // namespace

material::material(const corpus& c, std::unique_ptr<vocabulary> tokenizer, const settings& s)
    : name_(c.name),
      words_(std::move(tokenizer)),
      text_rows_(s.text_rows),
      mixture_rows_(s.mixture_rows()),
      patch_(s.patch),
      read_pairs_(s.read_pairs),
      pair_share_(s.pair_share),
      train_bytes_(bytes_of(c.train)) {
  constexpr index_t around_text = 2, around_pair = 4;  // BOS, EOS; BOI, EOI as well
  longest_pair_ = grid_of(patch_)(scene_shape, 0).patches() + longest_caption(*words_) + around_pair;
  tf::require<tf::config_error>(mixture_rows_ >= longest_pair_, "--text-rows: found ", text_rows_,
                                ", which makes a budget of ", mixture_rows_, " rows for the mixture, expected ",
                                longest_pair_, " at least, the longest pair");
  tf::require<tf::config_error>(text_rows_ > around_text, "--text-rows: found ", text_rows_, ", expected more than ",
                                around_text, ", the marks around a piece of text");
  for (const passage& p : c.train) {
    train_.push_back({words_->encode(p.text)});
    train_tokens_ += std::ssize(train_.back().tokens);
  }
  for (const passage* p : chosen(c.held_out, s.read)) held_out_.push_back(cut(*p, *words_, text_rows_ - around_text));
}

tf::token_mixture material::batches(bool with_pairs, std::uint64_t seed) const {
  const tf::data_order order(seed, std::ssize(train_));
  std::vector<tf::document_source> sources{
      {"text", [this, order](index_t n) { return tf::document{train_[static_cast<std::size_t>(order(n))]}; }}};
  if (with_pairs)
    sources.push_back({"pairs", [this, seed](index_t n) { return pair(*words_, seed, n, true); },
                       [this, seed](index_t n) { return pair(*words_, seed, n, false); }, pair_share_});
  return {std::move(sources), with_pairs ? mixture_rows_ : text_rows_, rules(), grid_of(patch_)};
}

std::vector<tf::document> material::held_out_pairs() const {
  std::vector<tf::document> documents;
  for (index_t n = 0; n < read_pairs_; ++n) {
    const auto c = scenes::training_scene(held_out_seed, static_cast<std::uint64_t>(n));
    documents.push_back({tokens(caption(c.words)), scenes::draw(c.shown, side)});
  }
  return documents;
}

std::vector<scenes::prompt> material::to_draw() const {
  constexpr index_t each = 4;
  std::vector<scenes::prompt> prompts;
  for (const scenes::task t : {scenes::task::colours, scenes::task::counting, scenes::task::position}) {
    const auto& all = scenes::training_prompts(t);
    const tf::data_order order(held_out_seed, std::ssize(all));
    for (index_t i = 0; i < each; ++i) prompts.push_back(all[static_cast<std::size_t>(order(i))]);
  }
  return prompts;
}

}  // namespace text_pairs
