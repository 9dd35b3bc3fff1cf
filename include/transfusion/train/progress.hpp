// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "transfusion/core/types.hpp"

namespace transfusion {

/// A progress line on standard error: a bar that redraws itself on a terminal, otherwise a plain line every few
/// seconds.
class progress {
 public:
  using clock = std::chrono::steady_clock;

  /// `first`: what is done already (a resumed run). `quiet` prints nothing.
  progress(std::string title, index_t total, index_t first = 0, bool quiet = false)
      : title_(std::move(title)),
        total_(total),
        first_(first),
        done_(first),
        quiet_(quiet),
        terminal_(isatty(STDERR_FILENO) != 0) {}
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() {
    if (shown_ && terminal_) std::fputc('\n', stderr);
  }

  /// Whether it is time to print: callers need not make up details that nobody sees.
  bool due() const { return !quiet_ && (last_ == clock::time_point{} || clock::now() - last_ >= interval()); }

  /// `done` of `total` are done; `details` follow the bar ("text 1.23  image 0.20").
  void update(index_t done, const std::string& details) {
    done_ = done;
    if (quiet_ || (done != total_ && !due())) return;
    last_ = clock::now();
    print(details);
  }

  double seconds() const { return std::chrono::duration<double>(clock::now() - begin_).count(); }

 private:
  clock::duration interval() const { return terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(10); }

  void print(const std::string& details) {
    const double part = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1;
    const index_t here = done_ - first_;
    const double left = here > 0 ? seconds() / static_cast<double>(here) * static_cast<double>(total_ - done_) : 0;
    if (terminal_) {
      constexpr int width = 28;
      const int filled = static_cast<int>(part * width);
      std::string bar(static_cast<std::size_t>(filled), '#');
      bar.resize(width, '.');
      std::fprintf(stderr, "\r%s [%s] %3.0f%%  %lld/%lld  %s  left %s\033[K", title_.c_str(), bar.c_str(), 100 * part,
                   static_cast<long long>(done_), static_cast<long long>(total_), details.c_str(),
                   clock_text(left).c_str());
    } else {
      std::fprintf(stderr, "%s %lld/%lld  %s  left %s\n", title_.c_str(), static_cast<long long>(done_),
                   static_cast<long long>(total_), details.c_str(), clock_text(left).c_str());
    }
    std::fflush(stderr);
    shown_ = true;
  }

  static std::string clock_text(double seconds) {
    char text[32];
    const long long s = static_cast<long long>(seconds + 0.5);
    if (s >= 3600)
      std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
      std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
    return text;
  }

  std::string title_;
  index_t total_, first_, done_;
  bool quiet_, terminal_, shown_ = false;
  clock::time_point begin_ = clock::now(), last_{};
};

}  // namespace transfusion
