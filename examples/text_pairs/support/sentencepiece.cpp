// SPDX-License-Identifier: Apache-2.0
#include "text_pairs/support/sentencepiece.hpp"

#include <zlib.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "transfusion/core/error.hpp"

#if TRANSFUSION_HAS_SENTENCEPIECE
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>
#endif

namespace text_pairs {
using support::token_t;
using tf::config_error;
using tf::format_error;
using tf::require;

#if TRANSFUSION_HAS_SENTENCEPIECE

namespace {

/// The lines of passages, one after the other.
class lines final : public sentencepiece::SentenceIterator {
 public:
  explicit lines(const std::vector<passage>& passages) : passages_(&passages) { Next(); }

  bool done() const override { return done_; }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }
  void Next() override {
    for (; passage_ < passages_->size(); ++passage_, begin_ = 0) {
      const std::string& text = (*passages_)[passage_].text;
      while (begin_ < text.size()) {
        const std::size_t end = std::min(text.find('\n', begin_), text.size());
        line_ = text.substr(begin_, end - begin_);
        begin_ = end + 1;
        if (!line_.empty()) return;
      }
    }
    done_ = true;
  }

 private:
  const std::vector<passage>* passages_;
  std::size_t passage_ = 0, begin_ = 0;
  std::string line_;
  bool done_ = false;
};

}  // namespace

struct sentencepiece_vocabulary::pieces {
  sentencepiece::SentencePieceProcessor processor;
  std::uint32_t checksum = 0;
};

sentencepiece_vocabulary::sentencepiece_vocabulary(const std::string& model, const std::string& where)
    : pieces_(std::make_unique<pieces>()) {
  const bool read = !model.empty() && pieces_->processor.LoadFromSerializedProto(model).ok();
  require<format_error>(read, where, ": found no model of SentencePiece");
  pieces_->checksum = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(model.data()), static_cast<uInt>(model.size())));
}

std::string sentencepiece_vocabulary::learn(const std::vector<passage>& passages, index_t pieces) {
  lines text(passages);
  std::string model;
  // Nothing is normalised, and what no piece holds is written in bytes: a text comes back as it was.
  const auto done = sentencepiece::SentencePieceTrainer::Train({{"vocab_size", std::to_string(pieces)},
                                                                {"model_type", "unigram"},
                                                                {"character_coverage", "1.0"},
                                                                {"byte_fallback", "true"},
                                                                {"normalization_rule_name", "identity"},
                                                                {"add_dummy_prefix", "false"},
                                                                {"remove_extra_whitespaces", "false"},
                                                                {"unk_id", "0"},
                                                                {"bos_id", "-1"},
                                                                {"eos_id", "-1"},
                                                                {"num_threads", "1"},
                                                                {"minloglevel", "2"}},
                                                               &text, &model);
  require<config_error>(done.ok(), "--pieces: found ", pieces,
                        ", which SentencePiece cannot learn from this text: ", std::string(done.error_message()));
  return model;
}

index_t sentencepiece_vocabulary::size() const { return specials + pieces_->processor.GetPieceSize(); }

std::vector<token_t> sentencepiece_vocabulary::encode(std::string_view text, support::unknown_words) const {
  std::vector<int> ids;
  const auto done = pieces_->processor.Encode(text, &ids);
  require<config_error>(done.ok(), "SentencePiece: ", std::string(done.error_message()));
  std::vector<token_t> tokens;
  for (const int id : ids) tokens.push_back(specials + id);
  return tokens;
}

std::string sentencepiece_vocabulary::decode(std::span<const token_t> tokens) const {
  std::vector<int> ids;
  for (const token_t token : tokens) {
    require_token(token);
    if (token >= specials) ids.push_back(token - specials);
  }
  std::string text;
  const auto done = pieces_->processor.Decode(ids, &text);
  require<config_error>(done.ok(), "SentencePiece: ", std::string(done.error_message()));
  return text;
}

std::string sentencepiece_vocabulary::name(token_t token) const {
  require_token(token);
  if (token < specials) return support::byte_vocabulary().name(token);
  return pieces_->processor.IdToPiece(token - specials);
}

std::string sentencepiece_vocabulary::to_json() const {
  return nlohmann::json{{"kind", "sentencepiece"}, {"pieces", size() - specials}, {"crc32", pieces_->checksum}}.dump();
}

#else

struct sentencepiece_vocabulary::pieces {};

namespace {

[[noreturn]] void missing() {
  throw config_error(
      "--tokenizer sentencepiece: this program was built without SentencePiece; install the Debian package "
      "libsentencepiece-dev, run cmake again and build, or give --tokenizer bytes");
}

}  // namespace

sentencepiece_vocabulary::sentencepiece_vocabulary(const std::string&, const std::string&) { missing(); }
std::string sentencepiece_vocabulary::learn(const std::vector<passage>&, index_t) { missing(); }
index_t sentencepiece_vocabulary::size() const { missing(); }
std::vector<token_t> sentencepiece_vocabulary::encode(std::string_view, support::unknown_words) const { missing(); }
std::string sentencepiece_vocabulary::decode(std::span<const token_t>) const { missing(); }
std::string sentencepiece_vocabulary::name(token_t) const { missing(); }
std::string sentencepiece_vocabulary::to_json() const { missing(); }

#endif

sentencepiece_vocabulary::~sentencepiece_vocabulary() = default;

}  // namespace text_pairs
