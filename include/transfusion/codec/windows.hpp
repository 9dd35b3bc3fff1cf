// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfusion/core/image.hpp"

namespace transfusion::codec {

/// The grid of windows that an item of `channels` channels is cut into. Throws shape_error where it has others, or is
/// no whole number of windows along each axis.
patch_grid cut(image_shape shape, index_t channels, patch_shape window);

}  // namespace transfusion::codec

// Compiled once where the user links transfusion::cpu_kernels.
#if !defined(TRANSFUSION_CPU_PREBUILT)
#include "transfusion/codec/windows_impl.hpp"
#endif
