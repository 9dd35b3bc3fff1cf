#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: plant.sh INCLUDE_DIR   shows that check_directions.sh sees: each wrong line planted in a copy must be named.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$1/transfusion" "$copy/transfusion"

plant() { # FILE LINE REASON
  local file=$copy/transfusion/$1 output status=0
  mkdir -p "$(dirname "$file")"
  printf '%s\n' '#pragma once' "$2" >"$file"
  output=$("$here/check_directions.sh" "$copy") || status=$?
  rm "$file"
  if [[ $status -ne 1 || $output != *"$1:2: includes \""*"\": $3"* ]]; then
    echo "not seen: $2 in $1 (exit code $status), expected: $3"
    exit 1
  fi
  echo "seen: $2 in $1"
}

plant core/planted.hpp '#include "transfusion/exec/concepts.hpp"' 'core may not include exec'
plant mask/planted.hpp '#include "transfusion/model.hpp"' 'mask may not include model'
plant layer/planted.hpp '#  include  "transfusion/codec/concepts.hpp"' 'layer may not include codec'
plant diffusion/planted.hpp '#include "transfusion/loss/concepts.hpp"' 'diffusion may not include loss'
plant planted.hpp '#include "transfusion/train/adamw.hpp"' 'model may not include train'
plant elsewhere/planted.hpp '#include <vector>' 'folder elsewhere has no row'
plant core/planted.hpp '#include "types.hpp"' 'our headers are included as'
plant layer/planted.hpp '#include <Eigen/Core>' 'allowed only in exec/cpu'
plant exec/planted.hpp '#include <cuda_runtime.h>' 'allowed only in cuda/'
plant testing/planted.hpp '#include <boost/test/unit_test.hpp>' 'allowed only in no header'
plant autograd/planted.hpp '#include <functional>' 'too dear for autograd'
plant exec/planted.hpp '#include "transfusion/cuda/exec_impl.cuh"' 'exec may not include cuda'
plant cuda/planted.hpp '#include "transfusion/autograd/tape.hpp"' 'cuda may not include autograd'
