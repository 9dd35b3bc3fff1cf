#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: check_headers_nvcc.sh INCLUDE_DIR NVCC FLAG...
# Compiles with nvcc every .cuh below INCLUDE_DIR alone, included twice, with warnings as errors, and the headers by which
# a user's .cu reaches the others. Names each header that fails.
set -uo pipefail
include=$1 nvcc=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export include nvcc work
# sm_80: the oldest there is code for; no header may need more. 550, 554: as in TransfusionCuda.cmake.
export flags="$* -std=c++20 --expt-relaxed-constexpr -arch=sm_80 -I$include -DTRANSFUSION_CPU_PREBUILT \
-diag-suppress=550,554 -Werror all-warnings -Xcompiler -Wall,-Wextra"

check() { # HEADER
  local stub=$work/${1//\//_}.cu
  printf '#include "%s"\n#include "%s"\n' "$1" "$1" >"$stub"
  # shellcheck disable=SC2086
  if ! "$nvcc" $flags -c "$stub" -o "$stub.o" >"$stub.log" 2>&1; then
    echo "FAILED $1"
    head -15 "$stub.log"
    return 1
  fi
  rm -f "$stub.o"
}
export -f check

cd "$include" || exit 1
# instantiate.cuh: what it does depends on its place
{
  find transfusion -name '*.cuh' ! -name instantiate.cuh
  printf 'transfusion/%s.hpp\n' model train generate io exec/cuda exec/reference
} | sort >"$work/list"
xargs -P "${JOBS:-2}" -L 1 bash -c 'check "$0"' <"$work/list" && echo "$(wc -l <"$work/list") headers compiled with $nvcc"
