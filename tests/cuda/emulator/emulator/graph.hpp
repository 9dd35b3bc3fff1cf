// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "emulator/runtime_types.hpp"

/// Graphs: while a stream is captured its work is put on a list, which a launch of the graph runs in order.
struct CUgraph_st {
  std::vector<std::function<void()>> work;
};
struct CUgraphExec_st {
  std::vector<std::function<void()>> work;
};
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = CUgraphExec_st*;
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,
  cudaStreamCaptureModeThreadLocal = 1,
  cudaStreamCaptureModeRelaxed = 2
};
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone = 0,
  cudaStreamCaptureStatusActive = 1,
  cudaStreamCaptureStatusInvalidated = 2
};

namespace emulator {

/// The graph that is being captured, or null: one stream at a time.
inline std::unique_ptr<CUgraph_st> capturing;
inline long graph_launches = 0;
/// How many more graphs can be made; below 0: any number.
inline long graphs_left = -1;

/// Puts work on the list of the graph being captured; false where none is.
template <class Work>
bool captured(Work work) {
  if (!capturing) return false;
  capturing->work.emplace_back(std::move(work));
  return true;
}

}  // namespace emulator

inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream == cudaStreamLegacy) return cudaErrorStreamCaptureUnsupported;
  if (emulator::capturing) return cudaErrorInvalidValue;
  emulator::capturing = std::make_unique<CUgraph_st>();
  return cudaSuccess;
}
inline cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = emulator::capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = emulator::capturing.release();
  return *graph ? cudaSuccess : cudaErrorInvalidValue;
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  if (emulator::graphs_left == 0) return cudaErrorMemoryAllocation;
  --emulator::graphs_left;
  *exec = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t) {
  if (emulator::capturing) return cudaErrorInvalidValue;
  for (const auto& work : exec->work) work();
  ++emulator::graph_launches;
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
