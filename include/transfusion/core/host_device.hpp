// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Marks functions that run on the host and, where a CUDA compiler reads them, on the device too.
#ifdef __CUDACC__
#define TRANSFUSION_HD __host__ __device__
#else
#define TRANSFUSION_HD
#endif
