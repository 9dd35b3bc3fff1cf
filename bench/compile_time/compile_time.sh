#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: compile_time.sh COMPILER FLAG...   times g++ -O2 on what a user compiles, header-only and against the prebuilt
# kernels: the median of 3 runs, after one that warms the disk, beside the limit we hold ourselves to.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
compile=("$@" -std=c++20 -O2 -I "$root/include" -I "$root/examples" -c -o /dev/null)
TIMEFORMAT=%R

seconds() { { time "${compile[@]}" "$@"; } 2>&1 | tail -1; }
median() {
  seconds "$@" >/dev/null
  for _ in 1 2 3; do seconds "$@"; done | sort -n | sed -n 2p
}
row() { # NAME SOURCE LIMIT_HEADER_ONLY LIMIT_PREBUILT
  "${compile[@]}" "$2" # one that does not compile must not pass for quick
  printf '%-44s %6.2f s  (limit %5s s) %6.2f s  (limit %4s s)\n' \
    "$1" "$(median "$2")" "$3" "$(median -DTRANSFUSION_CPU_PREBUILT "$2")" "$4"
}

printf '%-44s %-25s %s\n' "compile time, $1 -O2" "header-only" "against cpu_kernels"
row "#include <transfusion/model.hpp>" "$root/bench/compile_time/include_only.cpp" - 1.5
row "one more variant" "$root/bench/compile_time/variant.cpp" 10 2.5
row "one with another part of the block" "$root/bench/compile_time/block_variant.cpp" 10 2.5
for source in "$root"/examples/minimal/*.cpp; do
  if [[ -e $source ]]; then row "${source#"$root/"}" "$source" - -; fi
done
