// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "transfusion/core/types.hpp"

namespace folder {
using transfusion::index_t;

/// What a training run is told. A checkpoint keeps all of it but the time limits, so that a run can go on.
struct settings {
  index_t steps = 0;  ///< 0: as many as fit into `minutes`
  double minutes = 10;
  index_t pairs = 64;  ///< pictures a step
  double rate = 1e-3;
  double picture_first = 0.5;  ///< share of pairs with the picture before its caption: they teach to caption
  double caption_dropout = 0.1;
  std::uint64_t seed = 1;
  index_t channels = 3;
  index_t size = 32;  ///< height and width of every picture
  index_t patch = 4;
  index_t layers = 4;
  index_t width = 128;
  index_t heads = 4;
  std::string vocabulary = "word";

  /// Calls visit(name, member) for what a checkpoint keeps. The option of a name is "--name".
  template <class Self, class Visit>
  static void visit_fields(Self& s, Visit visit) {
    visit("steps", s.steps);
    visit("pairs", s.pairs);
    visit("rate", s.rate);
    visit("picture-first", s.picture_first);
    visit("caption-dropout", s.caption_dropout);
    visit("seed", s.seed);
    visit("channels", s.channels);
    visit("size", s.size);
    visit("patch", s.patch);
    visit("layers", s.layers);
    visit("width", s.width);
    visit("heads", s.heads);
    visit("vocabulary", s.vocabulary);
  }
  std::string to_json() const;

  void add_to(CLI::App& app);
};

/// Puts what a checkpoint keeps in place of the settings that were not `given` by name. More --steps may be given;
/// throws config_error naming any other setting that was given otherwise, format_error where the text is damaged.
void take_over(settings& s, const std::string& json, const std::set<std::string>& given);

/// The names of settings that stand on a parsed command line, "minutes" included.
std::set<std::string> given_options(const CLI::App& app);

}  // namespace folder
