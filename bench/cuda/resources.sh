#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: bench/cuda/resources.sh [NVCC] >docs/cuda_kernels.md
# Compiles the kernels of transfusion::cuda_kernels for sm_80 and sm_90a and prints, as a table, what ptxas says of each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export nvcc=${1:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work

compile() { # ARCHITECTURE SOURCE
  local log
  log=$work/$1.$(basename "$2").log
  "$nvcc" -std=c++20 --expt-relaxed-constexpr -diag-suppress=550,554 -DTRANSFUSION_CPU_PREBUILT -Iinclude -cubin -arch="$1" \
    -Xptxas -v "$2" -o "$log.cubin" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}
export -f compile
for architecture in sm_80 sm_90a; do printf "$architecture %s\n" cmake/cuda/*.cu; done |
  xargs -P "${JOBS:-2}" -L 1 bash -c 'compile "$0" "$1"'

cat <<EOF
# What the CUDA kernels take

Written by \`bench/cuda/resources.sh\`, from ptxas of CUDA $("$nvcc" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p'). For each kernel of \`transfusion::cuda_kernels\`, on
sm_80 / sm_90a: registers a thread, bytes of static shared memory a block (what a launch asks for beyond that is not in
it), bytes of stack frame a thread, and bytes of spill stores and loads. CUB: the most of any of its kernels.

| kernel | registers | shared | stack | spilled |
| --- | --- | --- | --- | --- |
EOF
cat "$work"/*.log | c++filt | awk '
  function number_before(words) { return match($0, "[0-9]+ " words) ? substr($0, RSTART) + 0 : 0 }
  function larger(a, b) { return a > b ? a : b }
  function plain(name) {  # without result, parameters and namespaces
    sub(/^void /, "", name)
    gsub(/transfusion::(cuda::)?|\(anonymous namespace\)::/, "", name)
    gsub(/\((bool|int|unsigned int|long)\)/, "", name)
    if (name ~ />\(/) sub(/>\(.*$/, ">", name)
    else sub(/\(.*$/, "", name)
    return name
  }
  /Compiling entry function/ {
    name = $0
    sub(/^[^\047]*\047/, "", name)
    architecture = name
    sub(/\047 for \047sm_[0-9a-z]*\047.*$/, "", name)
    sub(/^.*\047 for \047/, "", architecture)
    sub(/\047.*$/, "", architecture)
    name = name ~ /^(void )?(cub|thrust)::/ ? "CUB" : plain(name)
  }
  /bytes stack frame/ {
    stack = number_before("bytes stack frame")
    spills = number_before("bytes spill stores") + number_before("bytes spill loads")
  }
  /Used [0-9]+ registers/ {
    key = name SUBSEP architecture
    names[name] = 1
    registers[key] = larger(registers[key] + 0, number_before("registers"))
    shared[key] = larger(shared[key] + 0, number_before("bytes smem"))
    frame[key] = larger(frame[key] + 0, stack)
    spilled[key] = larger(spilled[key] + 0, spills)
  }
  END {
    for (name in names) {
      a = name SUBSEP "sm_80"
      b = name SUBSEP "sm_90a"
      printf "| %s | %d / %d | %d / %d | %d / %d | %d / %d |\n", name == "CUB" ? name : "`" name "`", registers[a],
        registers[b], shared[a], shared[b], frame[a], frame[b], spilled[a], spilled[b]
    }
  }' | LC_ALL=C sort
