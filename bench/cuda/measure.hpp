// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "transfusion/core/error.hpp"
#include "transfusion/exec/cuda.hpp"
#include "transfusion/exec/memory.hpp"

// What the programs for a GPU share. They need no benchmark library: the machine that runs them may have none.
namespace bench {

using namespace transfusion;
using exec_type = cuda_exec<bf16>;

/// `--small` makes everything tiny: every path runs in seconds, and no number means anything.
struct settings {
  bool small = false;

  index_t extent(index_t full, index_t tiny) const { return small ? tiny : full; }
};

/// Seconds of one call: median, tenth and ninetieth percentile.
struct timing {
  double median = 0, low = 0, high = 0;
};

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// One line for bench/cuda/table.awk: a name without spaces, a value, its unit.
inline void result(const std::string& name, double value, const char* unit) {
  std::printf("result ours.%s %.6g %s\n", name.c_str(), value, unit);
  std::fflush(stdout);
}
/// The same, and the spread of the timing behind it: 0.05 says that nine tenths of the range took 5 % of the median.
inline void result(const std::string& name, double value, const char* unit, const timing& t) {
  std::printf("result ours.%s %.6g %s spread %.3f\n", name.c_str(), value, unit, (t.high - t.low) / t.median);
  std::fflush(stdout);
}

inline timing summary(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&](double share) {
    return seconds[static_cast<std::size_t>(std::lround(share * static_cast<double>(seconds.size() - 1)))];
  };
  return {at(0.5), at(0.1), at(0.9)};
}

/// How long f(i) takes, i = 0, 1, ...: the median of 25 batches after a warm-up. A batch is as many calls as take some
/// 4 ms, so that waiting for its end weighs little.
template <class F>
timing measure(exec_type& exec, const settings& s, const F& f) {
  index_t number = 0;
  const auto batch = [&](index_t calls) {
    exec.synchronize();
    const double start = now();
    for (index_t i = 0; i < calls; ++i) f(number++);
    exec.synchronize();
    return (now() - start) / static_cast<double>(calls);
  };
  if (s.small) return summary({batch(1), batch(2)});
  for (int warm = 0; warm < 3; ++warm) batch(1);
  const auto calls = std::clamp<index_t>(static_cast<index_t>(0.004 / batch(1)), 1, 1000);
  batch(calls);
  std::vector<double> seconds;
  for (int repeat = 0; repeat < 25; ++repeat) seconds.push_back(batch(calls));
  return summary(std::move(seconds));
}

/// Normal numbers on the device; zeros would be faster than real data and hide what is not written.
template <class T>
buffer<exec_type, T> normal(exec_type& exec, index_t count, std::uint32_t seed, double scale = 1) {
  buffer<exec_type, T> x(exec, count);
  constexpr index_t piece = index_t{1} << 24;
  buffer<exec_type, float> wide(exec, std::min(piece, count));
  for (index_t begin = 0; begin < count; begin += piece) {
    const index_t end = std::min(count, begin + piece);
    const auto part = wide.all().slice(0, end - begin);
    exec.normal(part, {seed, 0, stream::test}, scale, begin);
    if constexpr (std::is_same_v<T, float>)
      exec.copy(x.all().slice(begin, end), part);
    else
      exec.narrow(x.all().slice(begin, end), part);
  }
  return x;
}

template <class T>
view<T, 2> matrix(const buffer<exec_type, T>& x, index_t cols) {
  return {x.all().data, x.size() / cols, cols};
}

/// How many sets of operands to take in turn, so that none is in a cache when its turn comes.
inline index_t sets_for(double bytes_of_one) {
  constexpr double all = 400e6;  // eight times the second-level cache of an H100
  return std::max<index_t>(2, static_cast<index_t>(std::ceil(all / bytes_of_one)));
}

/// Runs `body(settings)`; 77 where there is no device, 1 where something fails. `--device` only names the device.
template <class Body>
int run(int argc, char** argv, const Body& body) {
  settings s;
  bool only_device = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--small") == 0) {
      s.small = true;
    } else if (std::strcmp(argv[i], "--device") == 0) {
      only_device = true;
    } else {
      std::fprintf(stderr, "usage: %s [--small | --device]\n", argv[0]);
      return 2;
    }
  }
  try {
    const exec_type exec;
    const cuda_device_info d = exec.info();
    std::printf("device: %s, sm_%d%d, %d multiprocessors, %.1f GB\n", d.name.c_str(), d.major, d.minor,
                d.multiprocessors, static_cast<double>(d.total_bytes) * 1e-9);
  } catch (const device_error& e) {
    std::printf("skipped: %s\n", e.what());
    return 77;
  }
  if (only_device) return 0;
  try {
    body(s);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return 1;
  }
  return 0;
}

}  // namespace bench
