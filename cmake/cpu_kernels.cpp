// SPDX-License-Identifier: Apache-2.0
// transfusion::cpu_kernels: the CPU policy's bodies, compiled once.
#include "transfusion/exec/cpu_impl.hpp"

template class transfusion::cpu_exec<float>;
template class transfusion::cpu_exec<double>;
