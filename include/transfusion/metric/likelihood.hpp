// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "transfusion/autograd/op/head_cross_entropy.hpp"
#include "transfusion/autograd/op/rows.hpp"
#include "transfusion/model.hpp"

namespace transfusion {

namespace detail {

/// How many rows a document takes in a packed batch.
template <class Model>
index_t document_rows(const Model& model, const document& d) {
  const marker_tokens& markers = model.config().markers;
  index_t rows = (markers.bos != ignored) + (markers.eos != ignored && !d.open_ended);
  for (const segment& s : d.segments) {
    if (const text* t = std::get_if<text>(&s))
      rows += static_cast<index_t>(t->tokens.size());
    else
      rows += model.image_rows(std::get<image>(s).shape, std::get<image>(s).modality) + 2;
  }
  return rows;
}

/// Its images are read, not drawn: without noised copies, and no code is a target.
inline void read_images(document& d) {
  for (segment& s : d.segments)
    if (image* im = std::get_if<image>(&s)) im->context = true;
}

/// Adds log P(target) of every text row of a batch to the sum of its document.
template <class Model>
void add_text_log_likelihood(Model& model, tape<typename Model::exec_type>& tape, const packed_batch& batch,
                             double* sums) {
  using real = typename Model::real;
  if (batch.text_targets() == 0) return;
  const auto values = tape.upload(std::vector<real>(batch.values.begin(), batch.values.end()));
  const auto in = model.inputs(tape, batch, values, Model::clean(batch));
  const auto rows = gather_rows(tape, model.forward(tape, in).hidden, tape.upload(batch.text_rows));
  std::vector<token_t> targets;
  for (token_t row : batch.text_rows) targets.push_back(batch.targets[static_cast<std::size_t>(row)]);
  const auto weights = tape.upload(std::vector<real>(targets.size(), real{1}));
  const auto losses = head_cross_entropy(tape, rows, model.head(), tape.upload(targets), weights).cross_entropy;

  std::vector<real> host(targets.size());
  model.exec().download(host.data(), losses.data, host.size() * sizeof(real));
  for (std::size_t i = 0; i < host.size(); ++i)
    sums[batch.table.document(batch.text_rows[i])] -= static_cast<double>(host[i]);
}

}  // namespace detail

/// How many targets of a document `text_log_likelihood` sums over: the codes of an image are none.
template <class Model>
index_t text_target_count(const Model& model, document d) {
  detail::read_images(d);
  return model.pack({std::move(d)}).text_targets();
}

/// Σ log P(next token) in nats over the next-token targets of each document, its images read clean: for ranking
/// captions of one image, or for perplexity. Documents run together, in passes of `rows_at_once` rows at the most (a
/// longer document runs alone). Throws config_error on rows_at_once < 1, shape_error on a document that the model
/// cannot read.
template <class Model>
std::vector<double> text_log_likelihood(Model& model, const std::vector<document>& documents,
                                        index_t rows_at_once = 4096) {
  require<config_error>(rows_at_once > 0, "rows_at_once: found ", rows_at_once, ", expected > 0");
  std::vector<double> sums(documents.size(), 0.0);
  tape<typename Model::exec_type> tape(model.exec(), recording::off);
  for (std::size_t begin = 0; begin < documents.size();) {
    std::size_t end = begin;
    for (index_t rows = 0; end < documents.size(); ++end) {
      rows += detail::document_rows(model, documents[end]);
      if (rows > rows_at_once && end > begin) break;
    }
    std::vector<document> pass(documents.begin() + static_cast<std::ptrdiff_t>(begin),
                               documents.begin() + static_cast<std::ptrdiff_t>(end));
    for (document& d : pass) detail::read_images(d);
    tape.reset();
    detail::add_text_log_likelihood(model, tape, model.pack(pass), sums.data() + begin);
    begin = end;
  }
  return sums;
}

}  // namespace transfusion
