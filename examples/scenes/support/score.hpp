// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "scenes/support/task.hpp"
#include "transfusion/sequence/document.hpp"

namespace scenes {

/// Whether a picture shows what is asked for and nothing else, every object of it certain. GenEval asks that only of
/// what is counted; here an object too many is always wrong. Throws as find_objects does.
bool is_right(const prompt& p, const tf::image& picture);

/// Whether a text is a caption that is true of a scene and leaves out none of its objects.
bool is_true(std::string_view text, const scene& s);

}  // namespace scenes
