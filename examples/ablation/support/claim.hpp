// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ablation/support/result.hpp"
#include "ablation/support/spread.hpp"

namespace ablation {

enum class direction { falls, rises, stays };

/// What somebody else has found: how a measure goes from one trial to another.
struct claim {
  std::string text;    ///< "Inside linear patches, attention both ways helps"
  std::string source;  ///< "paper, Table 5: FID 61.3 → 20.3"
  std::string measure;
  std::string from, to;  ///< names of trials
  direction expected = direction::falls;
  std::string to_measure{};  ///< of `to`, where it is another: fewer steps, say
};

enum class verdict { agrees, differs, unclear, missing };

/// How a claim stands to our results.
struct judgement {
  verdict found = verdict::missing;
  spread from, to;
  spread change;         ///< of runs with the same seed: to − from
  std::string numbers;   ///< "Fréchet: 138.1 → 143.0, +4.9 ± 0.5"
  std::string sentence;  ///< the same with what it means
};

/// Compares runs of the same seed. A change counts where Student's t makes it 95 % sure; what is expected to stay has
/// stayed where the change and its uncertainty fit into a twentieth of where it comes from. A single seed gives a
/// direction and no certainty.
judgement judged(const claim& c, std::span<const result> results);

/// "agrees", "differs", "not clear", "not run".
std::string word(verdict v);

}  // namespace ablation
