// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <compare>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/cuda/launch.cuh"
#include "transfusion/cuda/recorder.cuh"
#include "transfusion/exec/cuda.hpp"

namespace transfusion::detail {

/// Device memory for the work of one stream. Freed blocks are kept and handed out again at once: the stream orders
/// their users, while cudaFree would wait for the whole device. Blocks are few and large, so none is ever split.
class device_pool {
 public:
  device_pool() = default;
  device_pool(const device_pool&) = delete;
  device_pool& operator=(const device_pool&) = delete;
  ~device_pool() {
    for (const block& b : blocks_) cudaFree(b.data);
  }

  void* allocate(std::size_t bytes, cudaStream_t stream) {
    if (bytes > std::numeric_limits<std::size_t>::max() / 2) throw_out_of_memory(bytes);
    bytes = std::max<std::size_t>((bytes + granule - 1) / granule, 1) * granule;
    block* best = nullptr;
    for (block& b : blocks_)
      if (!b.used && b.bytes >= bytes && b.bytes - bytes <= bytes / 8 && (!best || b.bytes < best->bytes)) best = &b;
    if (!best) best = &open(bytes, stream);
    best->used = true;
    ++allocations_;
    return best->data;
  }
  void deallocate(void* p) noexcept {
    for (block& b : blocks_)
      if (b.data == p) b.used = false;
  }

  index_t allocations() const { return allocations_; }
  std::size_t held_bytes() const { return held_; }
  std::size_t peak_bytes() const { return peak_; }

 private:
  static constexpr std::size_t granule = 512;
  struct block {
    void* data;
    std::size_t bytes;
    bool used;
  };

  block& open(std::size_t bytes, cudaStream_t stream) {
    blocks_.reserve(blocks_.size() + 1);  // first: once there is device memory, nothing may throw
    void* data = nullptr;
    cudaError_t status = cudaMalloc(&data, bytes);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // the refusal is dealt with: later checks must not see it
      if (is_captured(stream)) throw full_while_capturing();
      release_unused(stream);
      status = cudaMalloc(&data, bytes);
    }
    if (status == cudaErrorMemoryAllocation) throw_out_of_memory(bytes);
    cuda::check(status, "allocating device memory");
    held_ += bytes;
    peak_ = std::max(peak_, held_);
    return blocks_.emplace_back(block{data, bytes, false});
  }
  static bool is_captured(cudaStream_t stream) {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    cuda::check(cudaStreamIsCapturing(stream, &status), "asking a stream whether it is captured");
    return status != cudaStreamCaptureStatusNone;
  }
  void release_unused(cudaStream_t stream) {
    cuda::check(cudaStreamSynchronize(stream), "waiting before memory is given back");
    const auto unused = [&](const block& b) {
      if (b.used) return false;
      cudaFree(b.data);
      held_ -= b.bytes;
      return true;
    };
    blocks_.erase(std::remove_if(blocks_.begin(), blocks_.end(), unused), blocks_.end());
  }
  [[noreturn]] void throw_out_of_memory(std::size_t bytes) const {
    cudaGetLastError();
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw device_error(message("out of device memory: ", bytes, " bytes wanted, ", free, " of ", total, " bytes free, ",
                               held_, " held by this policy; a smaller batch or more micro_batches ", "need less"));
  }

  std::vector<block> blocks_;
  index_t allocations_ = 0;
  std::size_t held_ = 0, peak_ = 0;
};

/// Pinned memory that uploads pass through, so that the caller's memory is free again at once while the copy waits for
/// its turn in the stream. A segment is filled by many uploads and reused when the device has read all of it.
class upload_ring {
 public:
  upload_ring() = default;
  upload_ring(const upload_ring&) = delete;
  upload_ring& operator=(const upload_ring&) = delete;
  ~upload_ring() {
    for (cudaEvent_t read : read_)
      if (read) cudaEventDestroy(read);
    if (pinned_) cudaFreeHost(pinned_);
  }

  static constexpr int segments = 8;
  static constexpr std::size_t segment_bytes = std::size_t{2} << 20;

  void send(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
    open();
    for (std::size_t sent = 0; sent < bytes;) {
      if (used_ == segment_bytes) next(stream);
      const std::size_t piece = std::min(bytes - sent, segment_bytes - used_);
      std::byte* staged = pinned_ + segment_ * segment_bytes + used_;
      std::memcpy(staged, static_cast<const std::byte*>(from) + sent, piece);
      cuda::check(cudaMemcpyAsync(static_cast<std::byte*>(to) + sent, staged, piece, cudaMemcpyHostToDevice, stream),
                  "uploading");
      used_ += std::min((piece + 63) / 64 * 64, segment_bytes - used_);
      sent += piece;
    }
  }

 private:
  void open() {
    if (pinned_) return;
    for (cudaEvent_t& read : read_)
      if (!read) cuda::check(cudaEventCreateWithFlags(&read, cudaEventDisableTiming), "creating an event");
    void* memory = nullptr;
    cuda::check(cudaMallocHost(&memory, segments * segment_bytes), "allocating pinned host memory for uploads");
    pinned_ = static_cast<std::byte*>(memory);
  }
  void next(cudaStream_t stream) {
    cuda::check(cudaEventRecord(read_[segment_], stream), "uploading");
    const int following = (segment_ + 1) % segments;
    cuda::check(cudaEventSynchronize(read_[following]), "waiting for an upload");  // at once if never recorded
    segment_ = following;
    used_ = 0;
  }

  std::byte* pinned_ = nullptr;
  cudaEvent_t read_[segments] = {};
  int segment_ = 0;
  std::size_t used_ = 0;
};

/// What a matrix product is looked up by: all that cuBLASLt's choice may depend on, in row-major terms (gemm.cuh).
struct matmul_key {
  index_t rows, cols, inner;
  index_t left_pitch, right_pitch, out_pitch;
  cudaDataType_t in, out;
  bool left_transposed, right_transposed, bias;
  std::uint32_t left_alignment, right_alignment, out_alignment;  ///< bytes

  friend auto operator<=>(const matmul_key&, const matmul_key&) = default;
};

/// The descriptors and the algorithm for one key. Not usable: cuBLASLt offers nothing for it.
struct matmul_plan {
  matmul_plan() = default;
  matmul_plan(const matmul_plan&) = delete;
  matmul_plan& operator=(const matmul_plan&) = delete;
  ~matmul_plan() {
    for (cublasLtMatrixLayout_t layout : {left, right, out})
      if (layout) cublasLtMatrixLayoutDestroy(layout);
    if (operation) cublasLtMatmulDescDestroy(operation);
  }

  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t left = nullptr, right = nullptr, out = nullptr;
  cublasLtMatmulAlgo_t algorithm = {};
  bool usable = false;
};

/// All that one cuda_exec holds on its device. Every member function leaves `device` the thread's current one.
struct cuda_context {
  int device = 0, multiprocessors = 0, major = 0, minor = 0;
  int shared_bytes = 0;    ///< the most shared memory that a block can ask for
  double matmul_rate = 0;  ///< operations a second, once measured
  cudaStream_t stream = nullptr;
  cublasLtHandle_t blas = nullptr;
  void* workspace = nullptr;  ///< cuBLASLt's; one stream, so one is enough and results repeat
  device_pool pool;
  upload_ring ring;
  cuda_recorder recorder;
  std::map<matmul_key, matmul_plan> plans;

  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;
  static constexpr std::size_t most_plans = 1024;

  cuda_context() = default;
  cuda_context(const cuda_context&) = delete;
  cuda_context& operator=(const cuda_context&) = delete;
  ~cuda_context() {
    if (!stream) return;
    cudaSetDevice(device);
    cudaStreamSynchronize(stream);
    plans.clear();
    if (blas) cublasLtDestroy(blas);
    if (owns_stream_) cudaStreamDestroy(stream);
  }

  /// Takes the device of `options`; `kernel` is any of our kernels, to see whether this build has code for the device.
  void open(const cuda_options& options, const void* kernel);

  void use() const { cuda::check(cudaSetDevice(device), "choosing the device"); }

  /// Device memory, 256-byte aligned, until the end of the current operation; each call takes back the last one's.
  void* scratch(std::size_t bytes) {
    if (bytes <= scratch_bytes_) return scratch_;
    use();
    if (scratch_) pool.deallocate(scratch_);
    scratch_ = nullptr;
    scratch_bytes_ = 0;
    scratch_ = pool.allocate(bytes, stream);
    scratch_bytes_ = bytes;
    return scratch_;
  }

 private:
  void* scratch_ = nullptr;
  std::size_t scratch_bytes_ = 0;
  bool owns_stream_ = false;
};

inline std::string cuda_version_text(int version) { return message(version / 1000, ".", version % 1000 / 10); }

/// The number of devices; throws device_error with the reason where there is none.
inline int count_devices() {
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  cudaGetLastError();
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (status == cudaErrorInsufficientDriver && driver == 0)
    throw device_error("no NVIDIA driver found: install one, or use cpu_exec");
  if (status == cudaErrorInsufficientDriver)
    throw device_error(message("the NVIDIA driver is too old: it supports CUDA ", cuda_version_text(driver),
                               ", this build needs ", cuda_version_text(runtime),
                               "; update the driver, or build with an older CUDA Toolkit"));
  if (status == cudaSuccess || status == cudaErrorNoDevice)
    throw device_error("no CUDA device found (CUDA_VISIBLE_DEVICES may hide it); use cpu_exec");
  throw device_error(message("no CUDA device can be used: ", cudaGetErrorString(status)));
}

/// Throws device_error unless this build has code for the device.
inline void require_code(const cuda_context& c, const void* kernel) {
  cudaFuncAttributes attributes = {};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, kernel);
  if (status == cudaSuccess) return;
  cudaGetLastError();
  const bool no_code = status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction;
  if (!no_code) cuda::check(status, "looking for this build's code");
  throw device_error(message("this build has no code for device ", c.device, " (compute capability ", c.major, ".",
                             c.minor, "): build with CMAKE_CUDA_ARCHITECTURES=", c.major, c.minor, " (80 or newer)"));
}

inline void cuda_context::open(const cuda_options& options, const void* kernel) {
  const int count = count_devices();
  require<device_error>(options.device >= 0 && options.device < count, "device number: found ", options.device,
                        ", expected 0 to ", count - 1);
  device = options.device;
  use();
  cuda::check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "asking the device");
  cuda::check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device), "asking the device");
  cuda::check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device), "asking the device");
  cuda::check(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
              "asking the device");
  require_code(*this, kernel);
  if (options.stream) {
    stream = static_cast<cudaStream_t>(options.stream);
  } else {
    cuda::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream");
    owns_stream_ = true;
  }
  workspace = pool.allocate(workspace_bytes, stream);
  require<device_error>(cublasLtCreate(&blas) == CUBLAS_STATUS_SUCCESS, "cuBLASLt cannot be started on device ",
                        device);
}

}  // namespace transfusion::detail
