// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <type_traits>

#include "transfusion/cuda/context.cuh"

namespace transfusion {
namespace detail {

/// Two graphs of the same work take turns, so that the host fills one's uploads while the device runs the other.
struct cuda_recordings {
  cuda_recording graphs[2];
  int turn = 0;
  bool noted = false;  ///< a run was done plainly: caches are warm, and the room its uploads need is known
  std::size_t upload_bytes = 0;

  void restart() {
    for (cuda_recording& g : graphs) g.clear();
    noted = false;
  }
};

}  // namespace detail

template <class Scalar>
void cuda_exec<Scalar>::begin_repeat(cuda_repeat& r) {
  using mode = detail::cuda_recorder::mode;
  context_->use();
  if (!r.recordings_) r.recordings_ = std::make_shared<detail::cuda_recordings>();
  detail::cuda_recordings& all = *r.recordings_;
  detail::cuda_recording& mine = all.graphs[all.turn];
  if (context_->stream == cudaStreamLegacy) return;  // it cannot be captured: all work is done as it comes
  if (!all.noted) return context_->recorder.begin(mode::noting, nullptr);
  if (mine.made()) {
    mine.rewind();
    return context_->recorder.begin(mode::comparing, &mine);
  }
  mine.open(all.upload_bytes);
  cuda::check(cudaStreamBeginCapture(context_->stream, cudaStreamCaptureModeRelaxed), "capturing a graph");
  context_->recorder.begin(mode::capturing, &mine);
}

template <class Scalar>
bool cuda_exec<Scalar>::end_repeat(cuda_repeat& r) {
  using mode = detail::cuda_recorder::mode;
  detail::cuda_recorder& recorder = context_->recorder;
  detail::cuda_recordings& all = *r.recordings_;
  detail::cuda_recording& mine = all.graphs[all.turn];
  const mode was = recorder.now;
  recorder.now = mode::off;
  if (was == mode::off) return true;
  if (was == mode::noting) {
    all.noted = true;
    all.upload_bytes = recorder.upload_bytes;
    return true;
  }
  // A graph holds on to the scratch memory of its time: where that has moved since, it is another graph.
  recorder.trace.push_back(cuda::launch_detail::trace_of(static_cast<const void*>(context_->scratch(0))));
  if (was == mode::capturing) {
    cudaGraph_t captured = nullptr;
    const cudaError_t status = cudaStreamEndCapture(context_->stream, &captured);
    if (status != cudaSuccess) {
      cudaGetLastError();
      all.restart();
      cuda::check(status, "capturing a graph");
    }
    const std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, void (*)(cudaGraph_t)> owner(
        captured, [](cudaGraph_t g) { cudaGraphDestroy(g); });
    if (!recorder.overflowed) mine.instantiate(captured);
    mine.trace = recorder.trace;
  }
  if (recorder.overflowed || !mine.made() || mine.trace != recorder.trace) {
    all.restart();
    return false;
  }
  mine.launch(context_->stream);
  all.turn = 1 - all.turn;
  return true;
}

template <class Scalar>
void cuda_exec<Scalar>::abandon_repeat(cuda_repeat& r) noexcept {
  using mode = detail::cuda_recorder::mode;
  if (context_->recorder.now == mode::capturing) {
    cudaGraph_t captured = nullptr;
    cudaStreamEndCapture(context_->stream, &captured);
    if (captured) cudaGraphDestroy(captured);
    cudaGetLastError();
  }
  context_->recorder.now = mode::off;
  r.recordings_->restart();
}

}  // namespace transfusion
