// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "emoji/support/data.hpp"
#include "emoji/support/settings.hpp"
#include "support/grid.hpp"
#include "transfusion/autoencoder/latent_scale.hpp"
#include "transfusion/metric/bootstrap.hpp"
#include "transfusion/metric/frechet_result.hpp"

namespace emoji {

/// What is drawn, named and rebuilt for the measures: numbers of items.
struct test_items {
  std::vector<index_t> seen;   ///< of training, evenly spread
  std::vector<index_t> tones;  ///< held-out combinations of emoji with all five tones
  std::vector<index_t> emoji;  ///< held-out emoji without a skin tone

  test_items(const data& d, index_t seen_count);
};

/// What the autoencoder does to pictures.
struct coder_findings {
  stage_summary training;
  double psnr_seen = 0, psnr_emoji = 0, psnr_tones = 0;  ///< mean over pictures, dB
  tf::latent_scale scale;
  tf::frechet_result frechet;  ///< rebuilt pictures of names against the font's
  tf::bootstrap_result tone;
  std::vector<tf::image> emoji, tones;  ///< rebuilt
};

/// What a model on its latents does.
struct drawer_findings {
  std::string codec;
  stage_summary training;
  tf::frechet_result frechet;  ///< drawn pictures of names against the font's
  tf::bootstrap_result tone, ranked_seen, ranked_tones, ranked_emoji;
  std::vector<tf::image> seen, tones;        ///< drawn
  std::vector<index_t> named;                ///< items whose pictures were named
  std::vector<std::string> names;            ///< what the model called them
  std::vector<support::document_part> read;  ///< sentences that were given, and their ends by the model
  std::vector<support::document_part> told;  ///< sentences that it made
};

struct findings {
  std::string command;
  stage_summary classifier;
  double accuracy_seen = 0, accuracy_emoji = 0;  ///< of the classifier, on pictures as the font draws them
  coder_findings coder;
  std::vector<drawer_findings> drawers;
};

/// A few lines for the terminal.
std::string summary(const findings& f);

/// report.md and its pictures, in `out`. Throws io_error naming the file.
void save_report(const settings& s, const data& d, const test_items& items, const findings& f);

}  // namespace emoji
