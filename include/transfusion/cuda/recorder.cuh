// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "transfusion/cuda/launch.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion::detail {

/// One piece of work as a CUDA graph, and the trace by which it is known again: a number for every launch, product,
/// copy and upload. Uploads of a graph go through pinned memory of its own, which is filled anew before each launch.
class cuda_recording {
 public:
  cuda_recording() = default;
  cuda_recording(const cuda_recording&) = delete;
  cuda_recording& operator=(const cuda_recording&) = delete;
  ~cuda_recording() { clear(); }

  bool made() const { return graph_ != nullptr; }

  /// Room for the uploads of one run.
  void open(std::size_t upload_bytes) {
    clear();
    void* memory = nullptr;
    if (upload_bytes > 0) cuda::check(cudaMallocHost(&memory, upload_bytes), "allocating pinned host memory");
    pinned_ = static_cast<std::byte*>(memory);
    room_ = upload_bytes;
    cuda::check(cudaEventCreateWithFlags(&done_, cudaEventDisableTiming), "creating an event");
  }
  /// Waits until the last launch has read its uploads; the next run fills them again from the first on.
  void rewind() {
    if (done_) cuda::check(cudaEventSynchronize(done_), "waiting for a graph");
    used_ = 0;
  }
  /// The next upload's place, or null where there is no room left.
  std::byte* stage(const void* from, std::size_t bytes) {
    if (room_ - used_ < bytes) return nullptr;
    std::byte* place = pinned_ + used_;
    std::memcpy(place, from, bytes);
    used_ += rounded(bytes);
    return place;
  }
  static std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

  /// Leaves it not made where there is no memory for it.
  void instantiate(cudaGraph_t captured) {
    const cudaError_t status = cudaGraphInstantiate(&graph_, captured, 0);
    if (status == cudaSuccess) return;
    graph_ = nullptr;
    cudaGetLastError();
    if (status != cudaErrorMemoryAllocation) cuda::check(status, "making a graph");
  }
  void launch(cudaStream_t stream) {
    cuda::check(cudaGraphLaunch(graph_, stream), "launching a graph");
    cuda::check(cudaEventRecord(done_, stream), "launching a graph");
  }
  void clear() noexcept {
    if (done_) cudaEventSynchronize(done_);
    if (graph_) cudaGraphExecDestroy(graph_);
    if (done_) cudaEventDestroy(done_);
    if (pinned_) cudaFreeHost(pinned_);
    graph_ = nullptr;
    done_ = nullptr;
    pinned_ = nullptr;
    used_ = room_ = 0;
    trace.clear();
  }

  std::vector<std::uint64_t> trace;

 private:
  cudaGraphExec_t graph_ = nullptr;
  cudaEvent_t done_ = nullptr;
  std::byte* pinned_ = nullptr;
  std::size_t room_ = 0, used_ = 0;
};

/// What a policy does with its work while a repeated piece runs: does and notes it, captures it, or only compares it
/// with what was captured.
class cuda_recorder {
 public:
  enum class mode { off, noting, capturing, comparing };

  mode now = mode::off;
  cuda_recording* into = nullptr;
  std::vector<std::uint64_t> trace;
  std::size_t upload_bytes = 0;
  bool overflowed = false;  ///< more was uploaded than there is room for

  void begin(mode m, cuda_recording* recording) {
    now = m;
    into = recording;
    trace.clear();
    upload_bytes = 0;
    overflowed = false;
  }

  /// Notes one piece of work; true where it is not to be done now.
  bool skips(std::uint64_t what) {
    if (now == mode::off) return false;
    trace.push_back(what);
    return now == mode::comparing;
  }
};

}  // namespace transfusion::detail
