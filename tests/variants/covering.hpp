// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// Which value of each family a numbered variant takes, so that every value of a family meets every value of every other
// family in some variant.
namespace variants {

/// Rows of choices: row r takes value rows[r][f] of family f.
template <std::size_t Rows, std::size_t Families>
using choice_table = std::array<std::array<std::uint8_t, Families>, Rows>;

/// The pairs of values that have met: value a of family f with value b of family g > f.
template <std::size_t Families, std::size_t Most>
struct met_pairs {
  std::array<bool, Families * Families * Most * Most> met{};

  static constexpr std::size_t at(std::size_t f, std::size_t a, std::size_t g, std::size_t b) {
    return ((f * Families + g) * Most + a) * Most + b;
  }
  /// How many pairs of a row are new.
  constexpr int new_in(const std::array<std::uint8_t, Families>& row) const {
    int count = 0;
    for (std::size_t f = 0; f < Families; ++f)
      for (std::size_t g = f + 1; g < Families; ++g) count += !met[at(f, row[f], g, row[g])];
    return count;
  }
  constexpr void add(const std::array<std::uint8_t, Families>& row) {
    for (std::size_t f = 0; f < Families; ++f)
      for (std::size_t g = f + 1; g < Families; ++g) met[at(f, row[f], g, row[g])] = true;
  }
  /// Families f < g without a met pair of some values, as f * Families + g; -1 where all have met.
  constexpr int missing(const std::array<std::size_t, Families>& sizes) const {
    for (std::size_t f = 0; f < Families; ++f)
      for (std::size_t g = f + 1; g < Families; ++g)
        for (std::size_t a = 0; a < sizes[f]; ++a)
          for (std::size_t b = 0; b < sizes[g]; ++b)
            if (!met[at(f, a, g, b)]) return static_cast<int>(f * Families + g);
    return -1;
  }
};

/// Row after row the one of some random rows that lets most new pairs meet (Cohen et al. 1997, "AETG").
template <std::size_t Rows, std::size_t Most, std::size_t Families>
constexpr choice_table<Rows, Families> covering(const std::array<std::size_t, Families>& sizes) {
  constexpr std::size_t candidates = 3;
  choice_table<Rows, Families> rows{};
  met_pairs<Families, Most> met;
  std::uint64_t state = 1;
  for (std::size_t r = 0; r < Rows; ++r) {
    int best = -1;
    for (std::size_t c = 0; c < candidates; ++c) {
      std::array<std::uint8_t, Families> row{};
      for (std::size_t f = 0; f < Families; ++f) {
        state = state * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX: cheap for a compiler
        row[f] = static_cast<std::uint8_t>((state >> 33) % sizes[f]);
      }
      const int found = met.new_in(row);
      if (found > best) {
        best = found;
        rows[r] = row;
      }
    }
    met.add(rows[r]);
  }
  return rows;
}

}  // namespace variants
