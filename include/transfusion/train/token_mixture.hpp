// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/sequence/packed_rows.hpp"
#include "transfusion/sequence/text_piece.hpp"
#include "transfusion/train/document_source.hpp"
#include "transfusion/train/mixture_batch.hpp"

namespace transfusion {

/// Mixes sources by token (paper §4.1: text and caption-image pairs 1:1) into batches of at most `budget` packed rows.
/// Each source is read in its own order, whatever the budget. Text is cut where its share of a batch ends and goes on
/// in the next one; a document with an image is never cut, and waits for the next batch where it does not fit. Images
/// are laid first, and text fills what they leave, up to its share. What is given of a source stays as close to its
/// share of all rows as the longest document is long.
///
/// A batch is a pure function of the sources and its step: `mixture(step)` is what trainer::run asks for. Steps are
/// planned from lengths alone; a step out of turn plans those before it.
class token_mixture {
 public:
  /// Throws config_error without sources, on a share that is not positive, a source without documents, or a budget < 1.
  token_mixture(std::vector<document_source> sources, index_t budget, packing_rules rules, grid_rule grid)
      : sources_(std::move(sources)), budget_(budget), rules_(std::move(rules)), grid_(std::move(grid)) {
    require<config_error>(!sources_.empty(), "token_mixture: found no sources, expected one at least");
    require<config_error>(budget > 0, "token_mixture: budget: found ", budget, " rows, expected > 0");
    for (const document_source& s : sources_) {
      require<config_error>(s.share > 0 && std::isfinite(s.share), "token_mixture: source \"", s.name,
                            "\": share: found ", s.share, ", expected > 0");
      require<config_error>(static_cast<bool>(s.make), "token_mixture: source \"", s.name,
                            "\": found no `make`, expected a function");
      all_shares_ += s.share;
    }
    restart();
  }

  index_t budget() const { return budget_; }

  /// The documents of a step. Throws config_error on a document with an image that is longer than the budget, or one
  /// without rows; shape_error on an image that the rules or the grid refuse.
  std::vector<document> operator()(index_t step) {
    std::vector<document> documents;
    for (const document_part& p : plan(step).parts) {
      document d = sources_[p.source].make(p.number);
      documents.push_back(p.whole ? std::move(d) : text_piece(d, p.begin, p.end));
    }
    return documents;
  }

  /// What a step's batch holds; valid until another step is asked for. Throws what operator() throws.
  const mixture_batch& plan(index_t step) {
    require<config_error>(step >= 0, "token_mixture: step: found ", step, ", expected >= 0");
    if (step < next_ - 1) restart();
    try {
      while (next_ <= step) advance();
    } catch (...) {
      restart();  // half a batch must not be left behind
      throw;
    }
    return last_;
  }

  /// What the first `steps` batches give.
  mixture_totals totals(index_t steps) {
    mixture_totals t{std::vector<index_t>(sources_.size()), 0};
    for (index_t step = 0; step < steps; ++step)
      for (std::size_t s = 0; s < sources_.size(); ++s) t.rows[s] += plan(step).rows[s];
    for (const index_t rows : t.rows) t.fill += static_cast<double>(rows);
    if (steps > 0) t.fill /= static_cast<double>(steps) * static_cast<double>(budget_);
    return t;
  }

 private:
  /// Where a source has come to.
  struct reader {
    index_t number = 0;  ///< the document that comes next, or goes on
    index_t offset = 0;  ///< tokens of it that are given
    index_t taken = 0;   ///< rows given in all
    bool open = false;   ///< the lengths below are known
    bool plain = false;  ///< it may be cut
    index_t tokens = 0;  ///< of its text
    index_t rows = 0;    ///< of the whole document
    bool ends = false;   ///< EOS ends it
  };

  void restart() {
    readers_.assign(sources_.size(), {});
    next_ = total_ = 0;
    last_ = {};
  }

  void advance() {
    mixture_batch batch{{}, std::vector<index_t>(sources_.size())};
    std::vector<char> closed(sources_.size());
    index_t left = budget_;
    while (left > 0) {
      index_t wanted = 0;
      const std::size_t s = neediest(closed, wanted);
      if (s == sources_.size()) break;
      const document_part p = part(s, left, std::min(left, wanted));
      if (p.rows == 0) {
        closed[s] = 1;
        continue;
      }
      pass(p);
      left -= p.rows;
      batch.rows[s] += p.rows;
      batch.parts.push_back(p);
    }
    require<config_error>(!batch.parts.empty(), "token_mixture: budget: found ", budget_,
                          " rows, expected enough for a token between its markers");
    total_ += budget_ - left;
    last_ = std::move(batch);
    ++next_;
  }

  /// The source that is furthest behind its share of the rows up to this batch's end, those whose next document cannot
  /// be cut before all others; and by how many rows. The number of sources where none is behind.
  std::size_t neediest(const std::vector<char>& closed, index_t& wanted) {
    std::size_t best = sources_.size();
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      const double due = sources_[s].share / all_shares_ * static_cast<double>(total_ + budget_);
      const auto behind = static_cast<index_t>(std::llround(due - static_cast<double>(readers_[s].taken)));
      if (closed[s] || behind <= 0) continue;
      open(s);
      const bool better = best == sources_.size() || (readers_[best].plain && !readers_[s].plain) ||
                          (readers_[best].plain == readers_[s].plain && behind > wanted);
      if (!better) continue;
      best = s;
      wanted = behind;
    }
    return best;
  }

  /// Learns how long a source's next document is.
  void open(std::size_t s) {
    reader& r = readers_[s];
    if (r.open) return;
    const document_source& source = sources_[s];
    const document d = (source.outline ? source.outline : source.make)(r.number);
    r.rows = packed_rows(d, rules_, grid_);
    r.tokens = text_tokens(d);
    r.plain = is_plain_text(d) && r.tokens > 0;
    r.ends = rules_.eos != ignored && !d.open_ended;
    require<config_error>(r.rows > 0, "token_mixture: source \"", source.name, "\", document ", r.number,
                          ": found no rows, expected some");
    require<config_error>(r.plain || r.rows <= budget_, "token_mixture: source \"", source.name, "\", document ",
                          r.number, ": found ", r.rows, " rows that are not to be cut, expected at most the budget of ",
                          budget_);
    r.open = true;
  }

  /// What comes next of a source: all of a document that is not to be cut, in the `left` rows of the batch; of text as
  /// much as `allowed`. No rows where it does not fit.
  document_part part(std::size_t s, index_t left, index_t allowed) const {
    const reader& r = readers_[s];
    document_part p{s, r.number, r.offset, r.tokens, r.offset == 0, 0};
    if (!r.plain) {
      p.rows = r.rows <= left ? r.rows : 0;
      return p;
    }
    const index_t lead = rules_.bos != ignored, rest = r.tokens - r.offset;
    p.rows = lead + rest + r.ends;
    if (p.rows <= allowed) return p;
    const index_t count = std::min(allowed - lead, rest - 1);  // EOS never stands alone in the last piece
    p.end = r.offset + count;
    p.whole = false;
    p.rows = count > 0 ? lead + count : 0;
    return p;
  }

  void pass(const document_part& p) {
    reader& r = readers_[p.source];
    r.taken += p.rows;
    r.offset = p.end;
    if (p.end < r.tokens) return;
    ++r.number;
    r.offset = 0;
    r.open = false;
  }

  std::vector<document_source> sources_;
  index_t budget_;
  packing_rules rules_;
  grid_rule grid_;
  double all_shares_ = 0;
  std::vector<reader> readers_;
  index_t next_ = 0;   ///< the step that comes next
  index_t total_ = 0;  ///< rows of all before it
  mixture_batch last_;
};

}  // namespace transfusion
