// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>

namespace transfusion {

/// Work that is run again and again with other inputs: a denoising step, a token. A policy that can record it
/// (`repeat_type`, `repeat`) does so; the others just run it. What changes must be uploaded inside, nothing downloaded.
template <class Exec>
class repeated {
 public:
  template <class F>
  void operator()(Exec& exec, const F& f) {
    if constexpr (records)
      exec.repeat(recorded_, f);
    else
      f();
  }
  /// Forgets what was recorded: for when memory that the work uses has moved.
  void forget() { recorded_ = {}; }

 private:
  static constexpr bool records = requires { typename Exec::repeat_type; };
  struct nothing {};
  template <class E, bool>
  struct slot {
    using type = nothing;
  };
  template <class E>
  struct slot<E, true> {
    using type = typename E::repeat_type;
  };
  typename slot<Exec, records>::type recorded_{};
};

}  // namespace transfusion
