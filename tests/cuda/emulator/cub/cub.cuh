// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Stands in front of CUB: the parts that the library uses, on the emulated device.

#include "cub/block.cuh"
#include "cub/device.cuh"
