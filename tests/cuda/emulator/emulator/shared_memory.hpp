// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <link.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace emulator {

constexpr std::size_t shared_limit = 227 * 1024;   // of a block, with opt-in
constexpr std::size_t shared_default = 48 * 1024;  // without
constexpr unsigned char unwritten = 0xff;          // four of them are a NaN

/// A block's shared memory. Static arrays are thread-local variables of the program, so that they can be found as a
/// whole and filled with NaN before each block; outside launches they keep what the program left there.
class shared_memory {
 public:
  shared_memory() : dynamic_(static_cast<std::byte*>(::operator new(shared_limit + edge, alignment))) {
    dl_iterate_phdr(find_static, this);
  }
  ~shared_memory() { ::operator delete(dynamic_, alignment); }
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;

  std::byte* dynamic() const { return dynamic_; }
  bool holds(const void* p) const {
    const auto* at = static_cast<const std::byte*>(p);
    return (at >= dynamic_ && at < dynamic_ + bytes_) || (at >= static_ && at < static_ + static_bytes_);
  }
  void begin_launch(std::size_t dynamic_bytes) {
    bytes_ = dynamic_bytes;
    kept_.assign(static_, static_ + static_bytes_);
  }
  void end_launch() {
    bytes_ = 0;
    std::memcpy(static_, kept_.data(), static_bytes_);
  }
  void begin_block() {
    std::memset(dynamic_, unwritten, bytes_ + edge);
    std::memset(static_, unwritten, static_bytes_);
  }
  /// False where the block has written past the end of its dynamic memory.
  bool intact() const {
    for (std::size_t i = bytes_; i < bytes_ + edge; ++i)
      if (dynamic_[i] != std::byte{unwritten}) return false;
    return true;
  }

 private:
  static constexpr std::size_t edge = 256;
  static constexpr std::align_val_t alignment{1024};

  static int find_static(dl_phdr_info* info, std::size_t, void* self_) {
    auto* self = static_cast<shared_memory*>(self_);
    for (int i = 0; i < info->dlpi_phnum; ++i)
      if (info->dlpi_phdr[i].p_type == PT_TLS) {
        self->static_ = static_cast<std::byte*>(info->dlpi_tls_data);
        self->static_bytes_ = self->static_ ? info->dlpi_phdr[i].p_memsz : 0;
      }
    return 1;  // the program itself comes first: no further object
  }

  std::byte* dynamic_;
  std::size_t bytes_ = 0;
  std::byte* static_ = nullptr;
  std::size_t static_bytes_ = 0;
  std::vector<std::byte> kept_;
};

}  // namespace emulator
