// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "transfusion/codec/concepts.hpp"
#include "transfusion/codec/windows.hpp"
#include "transfusion/core/error.hpp"

namespace transfusion::codec {

/// No continuous item at all: a value is a code, a whole number in [0, size), and stands in the vocabulary as token
/// first + code (Chameleon 2024, §2.1). Such an image [1, Z, H, W] is read, learnt and drawn code after code like
/// words, row by row, between its begin and end tokens. It has no noise and no prediction, so of the modality's
/// policies only this one counts.
struct codes {
  static constexpr bool discrete = true;
  static constexpr index_t most_codes = index_t{1} << 24;  ///< whole numbers that a float tells apart

  struct options {
    token_t first = 0;  ///< token of code 0; text and markers stand before it
    index_t size = 0;   ///< how many codes there are

    /// Calls visit(name, member) for each: how options get into checkpoints and back.
    template <class Self, class Visit>
    static void visit_fields(Self& o, Visit visit) {
      visit("first", o.first);
      visit("size", o.size);
    }
  };

  /// The paper's codebook of 16,384 (appendix A) behind Llama's 32,000 words (§4.1).
  static options paper_options() { return {.first = 32000, .size = 16384}; }

  /// Throws config_error naming the option, the value found and the value expected.
  static void require_valid(const options& o) {
    require<config_error>(o.size > 0 && o.size <= most_codes, "codec.size: found ", o.size, ", expected 1 to ",
                          most_codes);
    require<config_error>(o.first >= 0, "codec.first: found ", o.first, ", expected >= 0");
  }

  /// A row a code. Throws shape_error on more than one channel.
  static patch_grid grid(image_shape shape, const options&) { return cut(shape, 1, {}); }

  /// Has no weights, and no rows to work on.
  template <class Exec>
  struct layer {
    layer(parameter_set<Exec>&, const std::string&, const options&, index_t) {}
    encoded_images<Exec, no_skip> encode(tape<Exec>&, const image_batch<Exec>&) const { return {}; }
    var<Exec> decode(tape<Exec>&, var<Exec> hidden, no_skip, const image_batch<Exec>&) const { return hidden; }
  };
};

/// Whether a codec's items are tokens of the vocabulary.
template <class Codec>
inline constexpr bool is_discrete = requires {
  requires Codec::discrete;
};

}  // namespace transfusion::codec
