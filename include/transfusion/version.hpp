// SPDX-License-Identifier: Apache-2.0
#pragma once

// The version of these headers. CMakeLists.txt stops when it disagrees with the version of the project.
#define TRANSFUSION_VERSION_MAJOR 0
#define TRANSFUSION_VERSION_MINOR 1
#define TRANSFUSION_VERSION_PATCH 0

namespace transfusion {

/// The version as one number that grows: major * 10000 + minor * 100 + patch.
inline constexpr int version =
    TRANSFUSION_VERSION_MAJOR * 10000 + TRANSFUSION_VERSION_MINOR * 100 + TRANSFUSION_VERSION_PATCH;

}  // namespace transfusion
