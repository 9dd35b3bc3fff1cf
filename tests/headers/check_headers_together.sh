#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: check_headers_together.sh INCLUDE_DIR COMPILER FLAG...
# What another compiler makes of the headers: all of them in one file, and once more in the opposite order, with warnings as
# errors. That each stands alone is check_headers.sh's to see. nvcc takes those of the CUDA policy (.cuh) and the headers by
# which a user's .cu reaches the others, a compiler of C++ all but those.
# exit code 77: the compiler cannot be started (ctest counts that as skipped).
set -euo pipefail
include=$1 compiler=$2
shift 2
command -v "$compiler" >/dev/null || { echo "$compiler not found: skipped"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=("$@" -std=c++20 "-I$include")

cd "$include"
if [[ $compiler == *nvcc* ]]; then
  suffix=cu
  # sm_80: the oldest there is code for; no header may need more. 550, 554: as in TransfusionCuda.cmake.
  flags+=(--expt-relaxed-constexpr -arch=sm_80 -DTRANSFUSION_CPU_PREBUILT -diag-suppress=550,554 -Werror all-warnings
    -Xcompiler -Wall,-Wextra -c -o "$work/object")
  {
    find transfusion -name '*.cuh' ! -name instantiate.cuh # what that one does depends on its place
    printf 'transfusion/%s.hpp\n' model train generate io exec/cuda exec/reference
  } | sort >"$work/list"
else
  suffix=cpp
  flags+=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only)
  find transfusion -name '*.hpp' | sort >"$work/list"
fi
sed 's/.*/#include "&"/' "$work/list" >"$work/forwards.$suffix"
tac "$work/forwards.$suffix" >"$work/backwards.$suffix"
for order in forwards backwards; do
  "$compiler" "${flags[@]}" "$work/$order.$suffix"
done
echo "$(wc -l <"$work/list") headers compiled with $compiler, forwards and backwards"
