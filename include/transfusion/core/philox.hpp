// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "transfusion/core/host_device.hpp"
#include "transfusion/core/types.hpp"

namespace transfusion {

/// What a random number is for. Each stream is independent of the others for the same seed and step.
enum class stream : std::uint32_t {
  weights,
  data_order,
  timestep,
  noise,
  dropout,
  text_sampling,
  solver_noise,
  test,
  first_noise,     ///< what an image is drawn from
  document_order,  ///< how an example or a user's data set makes documents of its items
  activation_dropout,
  resampling,    ///< which items a bootstrap draws
  code_sampling  ///< the codes of an item
};

/// Philox4x32-10, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3": a pure function of key and
/// counter.
struct philox {
  struct block {
    std::uint32_t word[4];
  };

  static constexpr block generate(block counter, std::uint32_t key0, std::uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter.word[0];
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter.word[2];
      counter = {{static_cast<std::uint32_t>(p1 >> 32) ^ counter.word[1] ^ key0, static_cast<std::uint32_t>(p1),
                  static_cast<std::uint32_t>(p0 >> 32) ^ counter.word[3] ^ key1, static_cast<std::uint32_t>(p0)}};
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    return counter;
  }
};

/// Names one sequence of random numbers: a seed, the step of the run, and what the numbers are for.
/// Element i of the sequence is a pure function of (key, i): no thread, launch shape or device changes it.
struct random_key {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  stream purpose = stream::test;

  /// Block i of four words.
  constexpr philox::block block(std::uint64_t i) const {
    return philox::generate({{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32), step,
                              static_cast<std::uint32_t>(purpose)}},
                            static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  }
  /// 32 random bits for element i.
  constexpr std::uint32_t bits(std::uint64_t i) const { return block(i / 4).word[i % 4]; }
  /// Uniform on (0, 1) for element i: never 0, never 1.
  constexpr double uniform(std::uint64_t i) const { return to_uniform(bits(i)); }
  /// A whole number in [0, n) for element i.
  constexpr index_t below(std::uint64_t i, index_t n) const {
    return static_cast<index_t>((static_cast<std::uint64_t>(bits(i)) * static_cast<std::uint64_t>(n)) >> 32);
  }

  static constexpr double to_uniform(std::uint32_t bits) { return (bits + 0.5) * 0x1p-32; }
};

/// The four standard normals of block i (Box & Muller 1958), worked out in double so that every policy rounds the same
/// value.
TRANSFUSION_HD inline void normal_block(const random_key& key, std::uint64_t i, double out[4]) {
  const philox::block words = key.block(i);
  for (int pair = 0; pair < 2; ++pair) {
    const double radius = std::sqrt(-2.0 * std::log(random_key::to_uniform(words.word[2 * pair])));
    const double angle = 6.283185307179586476925 * random_key::to_uniform(words.word[2 * pair + 1]);
    out[2 * pair] = radius * std::cos(angle);
    out[2 * pair + 1] = radius * std::sin(angle);
  }
}

}  // namespace transfusion
