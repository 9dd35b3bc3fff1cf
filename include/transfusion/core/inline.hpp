// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Before definitions in *_impl.hpp: inline, but where transfusion::cpu_kernels compiles them.
#if !defined(TRANSFUSION_INLINE)
#define TRANSFUSION_INLINE inline
#endif
