#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: check_headers.sh INCLUDE_DIR EMULATOR_DIR COMPILER FLAG...
# Compiles every header below INCLUDE_DIR alone, included twice, those of the CUDA policy (.cuh) with the emulator in
# EMULATOR_DIR in CUDA's place, the others after macros that other people's headers define, with
# warnings as errors; and reads the compiler's list of dependencies: no Boost, benchmark or CUDA header anywhere, and Eigen
# only where the bodies of cpu_exec are. Names each header that fails.
# exit code 77: the compiler cannot be started (ctest counts that as skipped).
set -uo pipefail
include=$1 emulator=$2 compiler=$3
shift 3
command -v "$compiler" >/dev/null || { echo "$compiler not found: skipped"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export include emulator compiler work
export flags="$* -std=c++20 -I$include -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only"

check() { # HEADER MODE   (MODE: prebuilt, as for users of transfusion::cpu_kernels; header_only; emulated)
  local header=$1 mode=$2 stub=$work/${1//\//_}.$2.cpp define=""
  [[ $mode == prebuilt ]] && define=-DTRANSFUSION_CPU_PREBUILT
  if [[ $mode == emulated ]]; then
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" >"$stub"
    # shellcheck disable=SC2086
    "$compiler" -I"$emulator" $flags -DTRANSFUSION_CPU_PREBUILT -Wno-unknown-pragmas "$stub" >"$stub.log" 2>&1 && return
    echo "FAILED $header ($mode)"
    head -15 "$stub.log"
    return 1
  fi
  cat >"$stub" <<EOF
#define I (trap, of, complex_h)
#define small char
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#include "$header"
#include "$header"
EOF
  # shellcheck disable=SC2086
  if ! "$compiler" $flags $define -MD -MF "$stub.d" "$stub" >"$stub.log" 2>&1; then
    echo "FAILED $header ($mode)"
    head -15 "$stub.log"
    return 1
  fi
  local forbidden='/(boost|benchmark|cub|thrust|cuda)/|/(cuda|cublas)[A-Za-z_]*\.h|\.cuh'
  case $mode:$header in
    prebuilt:transfusion/exec/cpu_impl.hpp | prebuilt:transfusion/exec/cpu/* | prebuilt:transfusion/metric/*) ;;
    prebuilt:*) forbidden+='|/Eigen/' ;;
  esac
  local found
  found=$(tr -s ' \\' '\n\n' <"$stub.d" | grep -vF "$include/" | grep -vF "$work/" | grep -E "$forbidden" | head -3)
  if [[ -n $found ]]; then
    echo "FAILED $header ($mode) includes" $found
    return 1
  fi
}
export -f check

cd "$include" || exit 1
{
  find transfusion -name '*.hpp' | sort | sed 's/$/ prebuilt/'
  # Where the bodies come along.
  ls transfusion/*.hpp transfusion/exec/cpu*.hpp | sed 's/$/ header_only/'
  # instantiate.cuh: what it does depends on its place
  find transfusion -name '*.cuh' ! -name instantiate.cuh | sort | sed 's/$/ emulated/'
} >"$work/list"
xargs -P "${JOBS:-2}" -L 1 bash -c 'check "$0" "$1"' <"$work/list" && echo "$(wc -l <"$work/list") stubs compiled with $compiler"
