// SPDX-License-Identifier: Apache-2.0
#include "transfusion/cuda/memory.cuh"
// The family comes first: its members are what is compiled.
#include "transfusion/cuda/instantiate.cuh"

namespace transfusion {

template void cuda_exec<float>::fill(view<float, 1>, double);
template void cuda_exec<float>::copy(view<float, 1>, view<const float, 1>);
template void cuda_exec<bf16>::fill(view<bf16, 1>, double);
template void cuda_exec<bf16>::fill(view<float, 1>, double);
template void cuda_exec<bf16>::copy(view<bf16, 1>, view<const bf16, 1>);
template void cuda_exec<bf16>::copy(view<float, 1>, view<const float, 1>);

}  // namespace transfusion
