// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>

#include "emulator/machine.hpp"

/// Barriers and warp functions, with the call's place for the messages.

namespace emulator {

template <class T>
struct exchange {
  T value, result;
  int source;  // the lane to read from
};

template <class T>
void exchange_values(void* const* records, unsigned lanes) {
  for (int lane = 0; lane < 32; ++lane) {
    auto* mine = static_cast<exchange<T>*>(records[lane]);
    if (!mine) continue;
    if (lanes >> mine->source & 1)
      mine->result = static_cast<const exchange<T>*>(records[mine->source])->value;
    else
      std::memset(&mine->result, unwritten, sizeof(T));  // undefined on the device
  }
}

inline int lane_number() { return device().self().number % 32; }

template <class T>
T shuffle(unsigned mask, T value, int source, const place& where) {
  exchange<T> record{value, value, source};
  device().collective(mask, exchange_values<T>, &record, where);
  return record.result;
}

struct ballot {
  bool predicate;
  unsigned result;
};
inline void collect_ballot(void* const* records, unsigned) {
  unsigned bits = 0;
  for (int lane = 0; lane < 32; ++lane)
    if (records[lane] && static_cast<const ballot*>(records[lane])->predicate) bits |= 1u << lane;
  for (int lane = 0; lane < 32; ++lane)
    if (records[lane]) static_cast<ballot*>(records[lane])->result = bits;
}
inline void nothing(void* const*, unsigned) {}

}  // namespace emulator

inline void __syncthreads(emulator::place where = emulator::place::current()) { emulator::device().barrier(0, where); }
inline int __syncthreads_count(int predicate, emulator::place where = emulator::place::current()) {
  return emulator::device().barrier(predicate != 0, where);
}
inline int __syncthreads_or(int predicate, emulator::place where = emulator::place::current()) {
  return emulator::device().barrier(predicate != 0, where) > 0;
}
inline int __syncthreads_and(int predicate, emulator::place where = emulator::place::current()) {
  return emulator::device().barrier(predicate == 0, where) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu, emulator::place where = emulator::place::current()) {
  emulator::device().collective(mask, emulator::nothing, nullptr, where);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, emulator::place where = emulator::place::current()) {
  const int first = emulator::lane_number() & ~(width - 1);
  return emulator::shuffle(mask, value, first + (source & (width - 1)), where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  emulator::place where = emulator::place::current()) {
  const int lane = emulator::lane_number(), source = lane ^ bits;
  return emulator::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 emulator::place where = emulator::place::current()) {
  const int lane = emulator::lane_number(), source = lane - static_cast<int>(delta);
  return emulator::shuffle(mask, value, source < (lane & ~(width - 1)) ? lane : source, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   emulator::place where = emulator::place::current()) {
  const int lane = emulator::lane_number(), source = lane + static_cast<int>(delta);
  return emulator::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, where);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, emulator::place where = emulator::place::current()) {
  emulator::ballot record{predicate != 0, 0};
  emulator::device().collective(mask, emulator::collect_ballot, &record, where);
  return record.result;
}
inline int __any_sync(unsigned mask, int predicate, emulator::place where = emulator::place::current()) {
  return __ballot_sync(mask, predicate, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate, emulator::place where = emulator::place::current()) {
  return __ballot_sync(mask, !predicate, where) == 0;
}
