// SPDX-License-Identifier: Apache-2.0
// transfusion::cpu_kernels: the CPU policy's bodies and what every model shares, compiled once.
#define TRANSFUSION_INLINE
#include "transfusion/codec/windows_impl.hpp"
#include "transfusion/exec/cpu_impl.hpp"
#include "transfusion/prebuilt.hpp"
#include "transfusion/sequence/packing_impl.hpp"

namespace transfusion {

template class cpu_exec<float>;
template class cpu_exec<double>;
TRANSFUSION_PREBUILT_PARTS()

}  // namespace transfusion
