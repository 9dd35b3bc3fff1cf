// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "transfusion/core/error.hpp"
#include "transfusion/exec/cpu.hpp"
#include "transfusion/exec/cuda.hpp"

// Where the examples compute. TRANSFUSION_HAS_CUDA is 1 where the build has the CUDA policy's kernels.
namespace support {

using cpu_policy = transfusion::cpu_exec<float>;
using cuda_policy = transfusion::cuda_exec<transfusion::bf16>;

enum class device { cpu, cuda };

/// What a program is told about where it computes.
struct device_settings {
  device where = device::cpu;
  int threads = 0;  ///< 0: all cores

  void add_to(CLI::App& app) {
    const auto set = [this](const std::string& name) { where = name == "cuda" ? device::cuda : device::cpu; };
    app.add_option_function<std::string>("--device", set, "cpu, or cuda: one NVIDIA GPU, in bf16")
        ->default_str("cpu")
        ->check(CLI::IsMember({"cpu", "cuda"}));
    app.add_option("--threads", threads, "CPU threads; 0: all cores")
        ->capture_default_str()
        ->check(CLI::Range(0, 1000000000));
  }
};

/// What `open` returns, a policy for a GPU. Where there is none, its device_error is thrown on with the way out added.
template <class Open>
auto opened(Open open) {
  try {
    return open();
  } catch (const transfusion::device_error& fault) {
    throw transfusion::device_error("--device cuda: " + std::string(fault.what()) +
                                    "; --device cpu runs without a GPU");
  }
}

/// Makes the policy and gives it to `f`, a generic function. Throws device_error where there is no such device, or this
/// build has no code for it.
template <class F>
void on_device(const device_settings& s, F f) {
  if (s.where == device::cpu) {
    cpu_policy exec(s.threads);
    f(exec);
    return;
  }
#if TRANSFUSION_HAS_CUDA
  const auto exec = opened([] { return std::make_unique<cuda_policy>(); });
  f(*exec);
#else
  opened([]() -> int {
    throw transfusion::device_error(
        "this program was built without CUDA; build it with -DTRANSFUSION_ENABLE_CUDA=ON (the demo: ./run demo "
        "--cuda)");
  });
#endif
}

}  // namespace support
