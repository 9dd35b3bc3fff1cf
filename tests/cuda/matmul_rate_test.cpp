// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_matmul_rate
#include <boost/test/unit_test.hpp>
#include <tuple>

#include "transfusion/cuda/linear.cuh"
#include "transfusion/cuda/matmul_rate.cuh"
#include "transfusion/cuda/memory.cuh"
#include "transfusion/cuda/random.cuh"

#if __has_include("emulator/global_memory.hpp")
// An emulated device touches all that it hands out: a smaller one serves as well.
struct small_device {
  small_device() { emulator::memory().total = std::size_t{256} << 20; }
};
BOOST_TEST_GLOBAL_FIXTURE(small_device);
#endif

using namespace transfusion;

namespace {

using scalars = std::tuple<float, bf16>;

}  // namespace

// NVIDIA's data sheets, dense bf16: of the whole device, whatever else its name says.
BOOST_AUTO_TEST_CASE(the_nominal_rate_goes_by_the_name) {
  BOOST_TEST(transfusion::cuda::nominal_bf16_rate("NVIDIA H100 80GB HBM3") == 989e12);
  BOOST_TEST(transfusion::cuda::nominal_bf16_rate("NVIDIA H100 PCIe") == 756e12);
  BOOST_TEST(transfusion::cuda::nominal_bf16_rate("NVIDIA H100 NVL") == 835e12);
  BOOST_TEST(transfusion::cuda::nominal_bf16_rate("NVIDIA H200") == 989e12);
  BOOST_TEST(transfusion::cuda::nominal_bf16_rate("NVIDIA GH200 480GB") == 989e12);
  BOOST_TEST(transfusion::cuda::nominal_bf16_rate("NVIDIA A100-SXM4-80GB") == 312e12);
  BOOST_TEST(transfusion::cuda::nominal_bf16_rate("NVIDIA H100 80GB HBM3 MIG 1g.10gb") == 0);
  BOOST_TEST(transfusion::cuda::nominal_bf16_rate("NVIDIA H20") == 0);
  BOOST_TEST(transfusion::cuda::nominal_bf16_rate("") == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_measured_rate_is_measured_once_beside_the_policys_memory, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  const auto before = exec.peak_bytes();
  const std::size_t free = exec.info().free_bytes;
  const double rate = exec.matmul_rate();
  BOOST_TEST(rate > 0);
  BOOST_TEST(exec.matmul_rate() == rate);
  BOOST_TEST(exec.peak_bytes() == before);
#if __has_include("emulator/runtime.hpp")
  BOOST_TEST(exec.info().free_bytes == free);
  BOOST_TEST(exec.nominal_matmul_rate() == 0);
  emulator::name = "NVIDIA H100 80GB HBM3";
  BOOST_TEST(exec.nominal_matmul_rate() == (sizeof(Scalar) == 2 ? 989e12 : 0));
  emulator::name = "emulated device";
#else
  static_cast<void>(free);
#endif
}

#if __has_include("emulator/runtime.hpp")
BOOST_AUTO_TEST_CASE(without_memory_for_it_there_is_no_rate) {
  cuda_exec<bf16> exec;
  void* rest = exec.allocate(exec.info().free_bytes - 4096);
  BOOST_TEST(exec.matmul_rate() == 0);
  exec.fill(view<float, 1>(static_cast<float*>(rest), 16), 1);  // no error is left behind
  BOOST_TEST(exec.allocate(512) != nullptr);
}
#endif
