// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/core/image.hpp"
#include "transfusion/core/text_sampling.hpp"
#include "transfusion/diffusion/spacing.hpp"

namespace transfusion {

/// How the items of one modality are drawn.
struct item_options {
  image_shape shape{};  ///< the size of a generated item; without one the model cannot ask for this modality
  int steps = 250;      ///< solver steps
  transfusion::spacing spacing = transfusion::spacing::respaced;  ///< of their times, over the 1000 of training
  /// x̂0 is held in [data_low, data_high] at each step: the first one would blow up otherwise. ±1 fits pixels; latents
  /// of unit variance want ±4 or so.
  double data_low = -1;
  double data_high = 1;
};

/// How to generate (paper §3 "Inference", §4.1).
struct generation_options {
  text_sampling text{};
  /// How the codes of discrete items are drawn. Solver steps, data ranges, and guidance's interval, rescaling and
  /// threshold are of continuous items alone.
  text_sampling codes{.temperature = 1};
  index_t max_tokens = 64;  ///< text tokens to add to each prompt; 0: images only
  index_t max_images = 1;   ///< images (items of any modality) to add to each prompt; none can be asked for after that
  image_shape image{};      ///< the size of a generated image
  int image_steps = 250;    ///< solver steps
  double guidance = 3;  ///< classifier-free guidance: ε = ε_u + guidance · (ε_c - ε_u); 1: none, and no unguided rows
  double data_low = -1;  ///< of modality 0, as in `item_options`
  double data_high = 1;
  transfusion::spacing spacing = transfusion::spacing::respaced;
  std::vector<item_options> others{};  ///< modality m of the model is others[m - 1]
  /// Guidance is on at times in [guidance_low, guidance_high], elsewhere it is 1 (Kynkäänniemi et al. 2024, eq. 5).
  double guidance_low = 0;
  double guidance_high = 1;
  double guidance_rescale = 0;  ///< φ: how far a guided prediction goes back to the deviation of ε_c (Lin et al. 2023,
                                ///< eq. 15–16); 0: not at all
  /// A scale of their own for the images of the context, `guidance` being that of its text (Brooks et al. 2022, eq. 3):
  /// ε = ε_u + image_guidance · (ε_i - ε_u) + guidance · (ε_c - ε_i), where ε_i sees the images alone.
  std::optional<double> image_guidance{};
  /// Above 0: x̂0 is not held in its range but scaled into it by this quantile of its own sizes where that lies outside
  /// (Saharia et al. 2022, §2.3; 0.995 there). The range must be even: data_low = -data_high.
  double threshold_quantile = 0;

  /// Those of one modality.
  item_options item(std::size_t modality) const {
    if (modality == 0) return {image, image_steps, spacing, data_low, data_high};
    return modality <= others.size() ? others[modality - 1] : item_options{};
  }
  /// How many predictions guidance compares: of the whole context; of none; of its images.
  index_t branches() const { return image_guidance ? 3 : guidance != 1 ? 2 : 1; }
};

/// Throws config_error naming the option, for a model of so many modalities.
inline void require_valid(const generation_options& o, std::size_t modalities) {
  require_valid(o.text);
  require_valid(o.codes);
  require<config_error>(o.max_tokens >= 0, "max_tokens: found ", o.max_tokens, ", expected >= 0");
  require<config_error>(o.max_images >= 0, "max_images: found ", o.max_images, ", expected >= 0");
  require<config_error>(std::isfinite(o.guidance), "guidance: found ", o.guidance, ", expected a number");
  require<config_error>(!o.image_guidance || std::isfinite(*o.image_guidance), "image_guidance: found ",
                        o.image_guidance.value_or(0), ", expected a number");
  require<config_error>(o.guidance_low <= o.guidance_high, "guidance_low: found ", o.guidance_low,
                        ", expected up to guidance_high, ", o.guidance_high);
  require<config_error>(o.guidance_rescale >= 0 && o.guidance_rescale <= 1, "guidance_rescale: found ",
                        o.guidance_rescale, ", expected 0 to 1");
  require<config_error>(o.threshold_quantile >= 0 && o.threshold_quantile <= 1, "threshold_quantile: found ",
                        o.threshold_quantile, ", expected 0 to 1");
  require<config_error>(o.others.size() < modalities, "others: found ", o.others.size(), " modalities, expected up to ",
                        modalities - 1, ", those of the model beside its own");
  bool any = false;
  for (std::size_t m = 0; m < modalities; ++m) {
    const item_options item = o.item(m);
    const std::string where = m == 0 ? "" : "others[" + std::to_string(m - 1) + "].";
    require<config_error>(item.data_low < item.data_high, where, "data_low: found ", item.data_low, ", expected below ",
                          item.data_high);
    require<config_error>(o.threshold_quantile == 0 || item.data_low == -item.data_high, where, "data_low: found ",
                          item.data_low, ", expected ", -item.data_high, " for threshold_quantile");
    any = any || item.shape.size() > 0;
  }
  require<config_error>(any || o.max_images == 0, "image: found ", o.image.height, " x ", o.image.width,
                        ", expected the size of a generated image, or max_images = 0");
}

}  // namespace transfusion
