#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: check_headers_nvcc.sh INCLUDE_DIR NVCC FLAG...
# Compiles with nvcc every .cuh and .hpp below INCLUDE_DIR alone, included twice, with warnings as errors. Names each
# header that fails. Left out: the bodies of cpu_exec and metric/, which need Eigen and are no part of a .cu
# (transfusion/model.cuh), and testing/.
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
find transfusion \( -name '*.cuh' -o -name '*.hpp' \) ! -path '*/exec/cpu/*' ! -path '*/metric/*' ! -path '*/testing/*' \
  ! -name cpu_impl.hpp ! -name instantiate.cuh | sort >"$work/list" # instantiate.cuh: what it does depends on its place
xargs -P "${JOBS:-2}" -L 1 bash -c 'check "$0"' <"$work/list" && echo "$(wc -l <"$work/list") headers compiled with $nvcc"
