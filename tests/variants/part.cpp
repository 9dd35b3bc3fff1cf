// SPDX-License-Identifier: Apache-2.0
// A part of the list: the variants PART * PART_SIZE up to the next part's.
#include <utility>

#include "variants/families.hpp"
#include "variants/trial.hpp"

namespace variants {
namespace {

template <std::size_t N>
std::string try_variant() {
  return trial<variant_of<N>>(N).run();
}

template <std::size_t... I>
bool add_trials(std::index_sequence<I...>) {
  (trials().push_back({PART * PART_SIZE + I, &try_variant<PART * PART_SIZE + I>}), ...);
  return true;
}

[[maybe_unused]] const bool added = add_trials(std::make_index_sequence<PART_SIZE>{});

}  // namespace
}  // namespace variants
