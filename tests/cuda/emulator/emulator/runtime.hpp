// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdio>
#include <cstring>

#include "emulator/global_memory.hpp"
#include "emulator/graph.hpp"
#include "emulator/machine.hpp"
#include "emulator/runtime_types.hpp"

/// The calls of the CUDA runtime except launches. All work is done before its call returns.

struct CUstream_st {};
struct CUevent_st {
  std::chrono::steady_clock::time_point at;
  bool recorded = false;
};

namespace emulator {

inline cudaError_t last_error = cudaSuccess;
/// What the device says it is.
inline int major = 9, minor = 0, multiprocessors = 4;
inline std::size_t shared_opt_in = shared_limit;  ///< of a block, at most shared_limit
inline const char* name = "emulated device";
/// How often the host has waited for a stream.
inline long waits = 0;

inline cudaError_t result(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}
inline cudaError_t require(bool ok, cudaError_t otherwise = cudaErrorInvalidValue) {
  return result(ok ? cudaSuccess : otherwise);
}

inline bool may_copy(const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return true;
  if (!to || !from) return false;
  const bool to_device = memory().holds(to, bytes), from_device = memory().holds(from, bytes);
  const bool to_overlaps = memory().holds(to, 1), from_overlaps = memory().holds(from, 1);
  if (to_device != to_overlaps || from_device != from_overlaps) return false;  // leaves its block
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !to_device && !from_device;
    case cudaMemcpyHostToDevice:
      return to_device && !from_device;
    case cudaMemcpyDeviceToHost:
      return !to_device && from_device;
    case cudaMemcpyDeviceToDevice:
      return to_device && from_device;
    default:
      return true;
  }
}

}  // namespace emulator

inline const char* cudaGetErrorName(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorNoKernelImageForDevice:
      return "cudaErrorNoKernelImageForDevice";
    default:
      return "cudaErrorUnknown";
  }
}
inline const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorNoKernelImageForDevice:
      return "no kernel image is available for execution on the device";
    default:
      return "unknown error";
  }
}
inline cudaError_t cudaPeekAtLastError() { return emulator::last_error; }
inline cudaError_t cudaGetLastError() { return std::exchange(emulator::last_error, cudaSuccess); }

// --- devices ---
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int device) { return emulator::require(device == 0, cudaErrorInvalidDevice); }
inline cudaError_t cudaDeviceSynchronize() { return emulator::memory().check_edges(), cudaSuccess; }
inline cudaError_t cudaDriverGetVersion(int* version) { return *version = 13000, cudaSuccess; }
inline cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = emulator::memory().total;
  *free = *total - emulator::memory().used();
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (device != 0) return emulator::result(cudaErrorInvalidDevice);
  *p = {};
  std::snprintf(p->name, sizeof p->name, "%s", emulator::name);
  p->major = emulator::major;
  p->minor = emulator::minor;
  p->multiProcessorCount = emulator::multiprocessors;
  p->totalGlobalMem = emulator::memory().total;
  p->sharedMemPerBlock = emulator::shared_default;
  p->sharedMemPerBlockOptin = emulator::shared_opt_in;
  p->sharedMemPerMultiprocessor = emulator::shared_limit + 1024;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = 2048;
  p->regsPerBlock = 65536;
  p->l2CacheSize = 50 << 20;
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const auto status = cudaGetDeviceProperties(&p, device); status != cudaSuccess) return status;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(p.sharedMemPerBlock);
      break;
    case cudaDevAttrWarpSize:
      *value = p.warpSize;
      break;
    case cudaDevAttrClockRate:
      *value = 1000000;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      break;
    case cudaDevAttrL2CacheSize:
      *value = p.l2CacheSize;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = p.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(p.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      break;
    default:
      return emulator::result(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

// --- memory ---
template <class T>
cudaError_t cudaMalloc(T** p, std::size_t bytes) {
  *p = nullptr;
  if (bytes == 0) return cudaSuccess;
  *p = static_cast<T*>(emulator::memory().allocate(bytes));
  return emulator::require(*p != nullptr, cudaErrorMemoryAllocation);
}
inline cudaError_t cudaFree(void* p) { return emulator::require(!p || emulator::memory().free(p)); }
template <class T>
cudaError_t cudaMallocAsync(T** p, std::size_t bytes, cudaStream_t) {
  return cudaMalloc(p, bytes);
}
inline cudaError_t cudaFreeAsync(void* p, cudaStream_t) { return cudaFree(p); }
template <class T>
cudaError_t cudaMallocHost(T** p, std::size_t bytes, unsigned = 0) {
  *p = static_cast<T*>(::operator new(bytes));
  return cudaSuccess;
}
template <class T>
cudaError_t cudaHostAlloc(T** p, std::size_t bytes, unsigned = 0) {
  return cudaMallocHost(p, bytes);
}
inline cudaError_t cudaFreeHost(void* p) { return ::operator delete(p), cudaSuccess; }

inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (!emulator::may_copy(to, from, bytes, kind)) return emulator::result(cudaErrorInvalidValue);
  if (bytes > 0) std::memmove(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t = nullptr) {
  if (!emulator::may_copy(to, from, bytes, kind)) return emulator::result(cudaErrorInvalidValue);
  if (emulator::captured([=] { std::memmove(to, from, bytes); })) return cudaSuccess;
  return cudaMemcpy(to, from, bytes, kind);
}
inline cudaError_t cudaMemset(void* p, int value, std::size_t bytes) {
  if (bytes == 0) return cudaSuccess;
  if (!emulator::memory().holds(p, bytes)) return emulator::result(cudaErrorInvalidValue);
  std::memset(p, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t = nullptr) {
  if (emulator::captured([=] { cudaMemset(p, value, bytes); })) return cudaSuccess;
  return cudaMemset(p, value, bytes);
}

// --- streams and events ---
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) { return *s = new CUstream_st, cudaSuccess; }
inline cudaError_t cudaStreamCreate(cudaStream_t* s) { return cudaStreamCreateWithFlags(s, cudaStreamDefault); }
inline cudaError_t cudaStreamDestroy(cudaStream_t s) {
  delete s;
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) {
  if (emulator::capturing) return emulator::result(cudaErrorStreamCaptureUnsupported);
  ++emulator::waits;
  return cudaDeviceSynchronize();
}
inline cudaError_t cudaStreamQuery(cudaStream_t) { return cudaSuccess; }

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) { return *e = new CUevent_st, cudaSuccess; }
inline cudaError_t cudaEventCreate(cudaEvent_t* e) { return cudaEventCreateWithFlags(e, cudaEventDefault); }
inline cudaError_t cudaEventDestroy(cudaEvent_t e) {
  delete e;
  return cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t = nullptr) {
  e->at = std::chrono::steady_clock::now();
  e->recorded = true;
  return cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned = 0) { return cudaSuccess; }
inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (!begin->recorded || !end->recorded) return emulator::result(cudaErrorInvalidResourceHandle);
  *milliseconds = std::chrono::duration<float, std::milli>(end->at - begin->at).count();
  return cudaSuccess;
}
