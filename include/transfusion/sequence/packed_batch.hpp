// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/sequence/document.hpp"
#include "transfusion/sequence/span_table.hpp"

namespace transfusion {

/// The images of one modality in a batch, as its codec reads them: I images, P patches.
struct modality_batch {
  std::vector<token_t> numbers;      ///< [I]; their numbers among all images of the batch
  std::vector<image_place> places;   ///< [I]; patches counted in this modality, values in the whole batch
  std::vector<token_t> patch_rows;   ///< [P]; where the patches stand on the token axis
  std::vector<token_t> patch_image;  ///< [P]; the image of each patch, counted in this modality
  std::vector<token_t> time_rows;    ///< [I], or empty: the row of each image that tells its time
  index_t noised = 0;                ///< how many of them are noised and learnt

  index_t patches() const { return static_cast<index_t>(patch_rows.size()); }
  index_t image_count() const { return static_cast<index_t>(numbers.size()); }
};

/// Documents laid end to end on one token axis, without padding, on the host.
struct packed_batch {
  span_table table;
  std::vector<token_t> tokens;      ///< [N]; `ignored` on an image's rows
  std::vector<token_t> targets;     ///< [N]; what the row predicts, or `ignored` (paper.md §1.6, see docs/paper.md)
  std::vector<image_place> images;  ///< [I], all continuous ones; patches counted in each image's own modality
  std::vector<char> context;        ///< [I]; 1: the image stays clean and is not learnt
  std::vector<float> values;        ///< all continuous images, clean, flat
  index_t code_images = 0;          ///< images of codes that are learnt
  std::vector<modality_batch> modalities;
  std::vector<token_t> text_rows;  ///< rows with a target, in rising order

  index_t rows() const { return static_cast<index_t>(tokens.size()); }
  index_t patches() const {
    index_t n = 0;
    for (const modality_batch& m : modalities) n += m.patches();
    return n;
  }
  /// How many rows carry a next-token loss, how many images there are, and how many of them carry a denoising loss.
  index_t text_targets() const { return static_cast<index_t>(text_rows.size()); }
  index_t image_count() const { return static_cast<index_t>(images.size()); }
  index_t noised_images() const {
    index_t n = 0;
    for (const modality_batch& m : modalities) n += m.noised;
    return n;
  }
};

/// The tokens around the images of one modality, and those that its images consist of where they are codes.
struct modality_markers {
  token_t begin = ignored;
  token_t end = ignored;
  token_t first_code = ignored;
  index_t codes = 0;  ///< 0: the images are continuous

  bool is_code(token_t t) const { return t >= first_code && t < first_code + codes; }
};

/// How documents become rows: the tokens that packing puts in, and what a variant's policies ask for.
struct packing_rules {
  token_t bos = ignored;
  token_t eos = ignored;
  std::vector<modality_markers> modalities;
  index_t lead_rows = 0;          ///< rows before the patches of each image that tell its time
  bool clean_copies = false;      ///< images stand clean in their place, and noised behind their document's end
  bool prefix_both_ways = false;  ///< rows of a prefix see each other: none of them but the last has a target
};

/// Gives the patches of an image of this shape and modality.
using grid_rule = std::function<patch_grid(image_shape, index_t)>;

namespace detail {

/// Every marker is a token of the vocabulary; those of a modality are shared with no other marker. Codes are tokens
/// behind all markers, shared with no other modality. Throws config_error.
void require_markers(const marker_tokens& markers, std::span<const modality_markers> modalities, index_t vocabulary);

}  // namespace detail

/// Packs documents into one batch: BOS, the segments with begin and end tokens around each image, EOS. Next-token
/// targets follow the paper (§3): no loss on a BOI input, none on patches, EOI never predicted. Codes are targets like
/// words. Throws shape_error on a document whose image does not fit its shape, its modality or the grid, or holds a
/// value that is none of its codes, or on a negative token.
packed_batch pack(const std::vector<document>& documents, const packing_rules& rules, const grid_rule& grid);

}  // namespace transfusion

// Compiled once where the user links transfusion::cpu_kernels.
#if !defined(TRANSFUSION_CPU_PREBUILT)
#include "transfusion/sequence/packing_impl.hpp"
#endif
