// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <memory>
#include <type_traits>

#include "transfusion/cuda/context.cuh"
#include "transfusion/cuda/launch.cuh"

namespace transfusion {
namespace cuda {

template <class T>
__global__ void fill_kernel(T* x, index_t count, T value) {
  const index_t step = index_t{gridDim.x} * blockDim.x;
  for (index_t i = index_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) x[i] = value;
}

template <class To, class From>
__global__ void convert_kernel(To* y, const From* x, index_t count) {
  const index_t step = index_t{gridDim.x} * blockDim.x;
  for (index_t i = index_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step)
    y[i] = static_cast<To>(static_cast<float>(x[i]));
}

/// Blocks of 256 threads that walk over `count` elements: enough to fill the device.
inline dim3 walking_grid(const detail::cuda_context& c, index_t count) {
  return dim3(static_cast<unsigned>(std::min<index_t>(ceil_div(count, 256), index_t{32} * c.multiprocessors)));
}

inline void copy_bytes(detail::cuda_context& c, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  if (c.recorder.skips(detail::mixed(detail::mixed(launch_detail::trace_of(to), launch_detail::trace_of(from)), bytes)))
    return;
  c.use();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, c.stream), "copying");
}

/// y = x in another type. x, y: [count].
template <class To, class From>
void convert(detail::cuda_context& c, To* y, const From* x, index_t count) {
  if constexpr (std::is_same_v<To, From>)
    copy_bytes(c, y, x, static_cast<std::size_t>(count) * sizeof(To));
  else
    launch(c, convert_kernel<To, From>, walking_grid(c, count), dim3(256), 0, y, x, count);
}

}  // namespace cuda

template <class Scalar>
cuda_exec<Scalar>::cuda_exec(cuda_options options) : context_(std::make_unique<detail::cuda_context>()) {
  context_->open(options, reinterpret_cast<const void*>(&cuda::fill_kernel<Scalar>));
}
template <class Scalar>
cuda_exec<Scalar>::~cuda_exec() = default;

template <class Scalar>
cuda_device_info cuda_exec<Scalar>::info() const {
  context_->use();
  cudaDeviceProp properties = {};
  cuda::check(cudaGetDeviceProperties(&properties, context_->device), "asking the device");
  cuda_device_info info{properties.name, context_->major, context_->minor, context_->multiprocessors};
  cuda::check(cudaMemGetInfo(&info.free_bytes, &info.total_bytes), "asking the device for its memory");
  return info;
}
template <class Scalar>
index_t cuda_exec<Scalar>::allocations() const {
  return context_->pool.allocations();
}
template <class Scalar>
index_t cuda_exec<Scalar>::peak_bytes() const {
  return static_cast<index_t>(context_->pool.peak_bytes());
}
template <class Scalar>
void cuda_exec<Scalar>::synchronize() {
  context_->use();
  cuda::check(cudaStreamSynchronize(context_->stream), "waiting for the device");
}

template <class Scalar>
void* cuda_exec<Scalar>::allocate(std::size_t bytes) {
  context_->use();
  return context_->pool.allocate(bytes, context_->stream);
}
template <class Scalar>
void cuda_exec<Scalar>::deallocate(void* p, std::size_t) noexcept {
  context_->pool.deallocate(p);
}

template <class Scalar>
void cuda_exec<Scalar>::upload(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  using mode = detail::cuda_recorder::mode;
  detail::cuda_recorder& recorder = context_->recorder;
  const bool skips = recorder.skips(detail::mixed(cuda::launch_detail::trace_of(to), bytes));
  context_->use();
  if (recorder.now == mode::off || recorder.now == mode::noting) {
    recorder.upload_bytes += detail::cuda_recording::rounded(bytes);
    return context_->ring.send(to, from, bytes, context_->stream);
  }
  const std::byte* staged = recorder.into->stage(from, bytes);
  recorder.overflowed = recorder.overflowed || !staged;
  if (staged && !skips)
    cuda::check(cudaMemcpyAsync(to, staged, bytes, cudaMemcpyHostToDevice, context_->stream), "uploading");
}
template <class Scalar>
void cuda_exec<Scalar>::download(void* to, const void* from, std::size_t bytes) {
  require<config_error>(context_->recorder.now == detail::cuda_recorder::mode::off,
                        "download: found one inside repeated work, expected it after");
  context_->use();
  if (bytes > 0) cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, context_->stream), "downloading");
  cuda::check(cudaStreamSynchronize(context_->stream), "downloading");
}

template <class Scalar>
template <class T>
void cuda_exec<Scalar>::fill(view<T, 1> x, double value) {
  const T element = static_cast<T>(static_cast<float>(value));
  cuda::launch(*context_, cuda::fill_kernel<T>, cuda::walking_grid(*context_, x.size()), dim3(256), 0, x.data, x.size(),
               element);
}
template <class Scalar>
template <class T>
void cuda_exec<Scalar>::copy(view<T, 1> y, view<const std::type_identity_t<T>, 1> x) {
  cuda::copy_bytes(*context_, y.data, x.data, static_cast<std::size_t>(y.size()) * sizeof(T));
}
template <class Scalar>
void cuda_exec<Scalar>::widen(real_vector y, const_vector x) {
  cuda::convert(*context_, y.data, x.data, y.size());
}
template <class Scalar>
void cuda_exec<Scalar>::narrow(vector y, const_real_vector x) {
  cuda::convert(*context_, y.data, x.data, y.size());
}

}  // namespace transfusion
