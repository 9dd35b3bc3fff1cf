// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/sequence/document.hpp"

namespace transfusion {

/// Why a document stopped growing.
enum class finish_reason { end_token, token_limit, image_limit };

/// A prompt with what the model added; open-ended unless the model ended it.
struct generated_document {
  document content;
  index_t prompt_segments = 0;  ///< how many leading segments are the prompt's
  finish_reason reason = finish_reason::token_limit;
};

}  // namespace transfusion
