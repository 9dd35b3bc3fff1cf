#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests and measures the CUDA policy on a machine with a GPU, with binaries that were built elsewhere.
#
#   bench/gpu.sh build [FOLDER]          build for sm_90a and gather the programs in FOLDER/gpu (needs nvcc, no GPU)
#   bench/gpu.sh run OUT [PART...]       run them; logs and the table go to OUT. Parts: tests bench twin sanitize more
#   bench/gpu.sh table OUT...            print the table once more, from the logs of one run or of several
#
# The other machine needs the driver, cuBLASLt and this repository with FOLDER/gpu (build-cuda/gpu, or what GPU_PROGRAMS
# says); python3 with torch for the twin, compute-sanitizer for the sanitizer. A run takes at most GPU_SECONDS
# (570); a part that fails or takes too long does not stop the others. Without a GPU it exits with 77.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
programs=${GPU_PROGRAMS:-build-cuda/gpu}
limit=${GPU_SECONDS:-570}

usage() { sed -n 's/^# \{0,1\}//; 3,11p' "${BASH_SOURCE[0]}"; }
say() { printf 'gpu: %s\n' "$*"; }
left() { echo $((limit - SECONDS)); }
ending() { [[ $1 == 124 || $1 == 137 ]] && echo 'stopped, out of time' || echo "exit $1"; }

# limited SECONDS COMMAND...: with no more time than is left, and ended for good ten seconds after that.
limited() {
  local seconds=$1
  shift
  (($(left) < seconds)) && seconds=$(left)
  ((seconds < 5)) && return 124
  timeout -k 10 "$seconds" "$@" </dev/null
}

build() {
  local folder=${1:-build-cuda}
  # Nothing of this machine: no tuning for its processor, no BLAS, no shared C++ library.
  cmake -S . -B "$folder" -DCMAKE_BUILD_TYPE=Release -DTRANSFUSION_ENABLE_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=90a-real \
    -DTRANSFUSION_NATIVE=OFF -DTRANSFUSION_BLAS=OFF -DTRANSFUSION_BUILD_TESTS=ON -DTRANSFUSION_BUILD_BENCH=ON \
    -DTRANSFUSION_BUILD_EXAMPLES=OFF -DTRANSFUSION_INSTALL=OFF \
    -DCMAKE_EXE_LINKER_FLAGS='-static-libstdc++ -static-libgcc' || return
  cmake --build "$folder" --parallel "${JOBS:-2}" --target gpu_tests gpu_benches || return
  rm -rf "$folder/gpu" && mkdir -p "$folder/gpu"
  local program
  for program in "$folder"/tests/cuda/cuda_*_test_gpu "$folder"/bench/cuda/cuda_*_bench; do
    [[ -x $program ]] || continue
    cp "$program" "$folder/gpu/" && strip "$folder/gpu/${program##*/}"
  done
  say "$(find "$folder/gpu" -type f | wc -l) programs, $(du -sm "$folder/gpu" | cut -f1) MB in $folder/gpu"
}

has_gpu() { nvidia-smi -L 2>/dev/null | grep -q GPU || [[ -e /dev/nvidia0 ]]; }

# The folder of cuBLASLt: where the loader looks already, the toolkit, or the Python packages.
find_cublaslt() {
  local name=libcublasLt.so.13 folder
  ldconfig -p 2>/dev/null | grep -q "$name" && return
  local folders=()
  IFS=: read -ra folders <<<"${LD_LIBRARY_PATH:-}"
  folders+=(${CUDA_HOME:+"$CUDA_HOME/lib64"})
  folders+=(/usr/local/cuda*/lib64 /usr/local/cuda*/lib /usr/local/cuda*/targets/x86_64-linux/lib)
  while read -r folder; do folders+=("$folder"/nvidia/*/lib); done < <(timeout 20 python3 -c \
    'import sys; print("\n".join(p for p in sys.path if p.endswith("-packages")))' 2>/dev/null)
  for folder in "${folders[@]}"; do
    if [[ -e $folder/$name ]]; then
      export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
      say "cuBLASLt: $folder/$name"
      return
    fi
  done
  say "$name was not found (CUDA_HOME, /usr/local/cuda, nvidia-cublas of Python): our programs cannot start"
  return 1
}

describe() {
  date -u '+date: %Y-%m-%d %H:%M UTC'
  uname -srm
  local query=name,driver_version,memory.total,clocks.sm,clocks.max.sm,power.limit,temperature.gpu
  timeout 20 nvidia-smi --query-gpu="$query" \
    --format=csv,noheader 2>&1 | sed 's/^/nvidia-smi: /'
  limited 60 "$programs/cuda_ceilings_bench" --device
}

# in_parallel COUNT FUNCTION NAME...: FUNCTION of every name, COUNT at a time.
in_parallel() {
  local count=$1 function=$2 name
  shift 2
  for name in "$@"; do
    while (($(jobs -rp | wc -l) >= count)); do wait -n 2>/dev/null || true; done
    "$function" "$name" &
  done
  wait
}

# Leaves "ended CODE" as the last line of the program's own log.
test_one() {
  limited 120 "$programs/$1" >"$work/$1.log" 2>&1
  echo "ended $?" >>"$work/$1.log"
}

run_tests() {
  local names=() name passed=0 failed=0 skipped=0 status
  for name in "$programs"/cuda_*_test_gpu; do [[ -x $name ]] && names+=("${name##*/}"); done
  # One test takes nearly all device memory: it runs before the others, alone.
  [[ -x $programs/cuda_memory_test_gpu ]] && test_one cuda_memory_test_gpu
  local others=()
  for name in ${names[@]+"${names[@]}"}; do [[ $name == cuda_memory_test_gpu ]] || others+=("$name"); done
  in_parallel 4 test_one ${others[@]+"${others[@]}"}
  for name in ${names[@]+"${names[@]}"}; do
    status=$(sed -n 's/^ended //p' "$work/$name.log" | tail -n 1)
    case $status in
      0) ((++passed)) ;;
      77) ((++skipped)) ;;
      *) ((++failed)) ;;
    esac
    say "test $name: $(ending "$status")"
    { echo "== $name" && cat "$work/$name.log"; } >>"$out/tests.log"
  done
  printf 'tests passed %d\ntests failed %d\ntests skipped %d\n' "$passed" "$failed" "$skipped" | tee -a "$out/tests.log"
}

# NAME is program:tool[:cases], cases as Boost.Test's --run_test reads them.
sanitize_one() {
  local program tool cases
  IFS=: read -r program tool cases <<<"$1"
  local log=$work/sanitize.${1//[:,\/]/_}.log
  limited 60 compute-sanitizer --tool "$tool" --error-exitcode 9 "$programs/$program" ${cases:+"--run_test=$cases"} \
    >"$log" 2>&1
  local status=$?
  case $status in
    0) echo "clean $1" ;;
    9) echo "unclean $1" ;;
    *) echo "unfinished $1 (exit $status)" ;;
  esac >"$log.verdict"
}

run_sanitizer() {
  if ! command -v compute-sanitizer >/dev/null; then
    PATH=$PATH:/usr/local/cuda/bin
    command -v compute-sanitizer >/dev/null || { say 'compute-sanitizer is not here: left out' && return; }
  fi
  local runs=() topic tool verdict
  for tool in memcheck racecheck; do
    for topic in norm rows elementwise image optimiser linear head layer_norm group_norm image_statistics latent; do
      runs+=("cuda_${topic}_test_gpu:$tool")
    done
    runs+=("cuda_convolution_test_gpu:$tool:convolution_matches_the_reference*")
    runs+=("cuda_attention_test_gpu:$tool:all_sizes_near_a_tile,no_rows_and_no_keys")
    runs+=("cuda_attention_backward_test_gpu:$tool")
  done
  in_parallel 6 sanitize_one "${runs[@]}"
  for verdict in "$work"/sanitize.*.verdict; do
    say "sanitizer: $(cat "$verdict")"
    { echo "== $(cat "$verdict")" && tail -n 200 "${verdict%.verdict}"; } >>"$out/sanitizer.log"
  done
  for verdict in clean unclean unfinished; do
    echo "tests $verdict $(cat "$work"/sanitize.*.verdict | grep -c "^$verdict ")"
  done | tee -a "$out/sanitizer.log"
}

# log_of FILE SECONDS NAME COMMAND...: the command's output goes to OUT/FILE; a failure is said and passed over.
log_of() {
  local file=$out/$1 seconds=$2 name=$3 started=$SECONDS status
  shift 3
  echo "== $name" >>"$file"
  limited "$seconds" "$@" >>"$file" 2>&1
  status=$?
  say "$name: $(ending "$status"), $((SECONDS - started)) s"
  return "$status"
}

run_bench() {
  local topic
  for topic in ceilings attention elementwise convolution head training generation; do
    log_of bench.log 90 "$topic" "$programs/cuda_${topic}_bench"
  done
}

has_torch() {
  (($(left) >= 30)) || { say 'no time left for the twin' && return 1; }
  export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
  limited 60 python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null && return
  say 'no PyTorch that sees the GPU: the twin is left out'
  return 1
}

# Blocks compile in time for certain; the whole model compiled may be faster. The table takes the faster one.
run_twin() {
  has_torch || return
  local how size
  log_of twin.log 60 "attention, N 4096" python3 bench/twin/attention.py --rows 4096
  log_of twin.log 45 "guided image" python3 bench/twin/image.py
  for how in block model; do
    for size in 0.16B 0.76B; do
      log_of twin.log 110 "training step $size, $how compiled" python3 bench/twin/train_step.py "$size" --compile "$how"
    done
  done
}

# What no goal hangs on.
run_more() {
  has_torch || return
  log_of twin.log 90 "guided image, compiled" python3 bench/twin/image.py --compile
  log_of twin.log 90 "attention, smaller N" python3 bench/twin/attention.py --rows 2048,1024,512
}

table() {
  local logs=() folder
  for folder in "$@"; do
    for log in "$folder"/{tests,sanitizer,bench,twin}.log; do [[ -f $log ]] && logs+=("$log"); done
  done
  awk -f bench/cuda/table.awk ${logs[@]+"${logs[@]}"} /dev/null
}

run() {
  (($# >= 1)) || { usage >&2 && exit 2; }
  mkdir -p "$1" && out=$(cd "$1" && pwd) || exit 2
  shift
  local parts=("$@") part
  ((${#parts[@]})) || parts=(tests bench twin sanitize more)
  for part in "${parts[@]}"; do
    [[ $part =~ ^(tests|bench|twin|sanitize|more)$ ]] || { say "no such part: $part" && exit 2; }
  done
  if ! has_gpu; then
    say 'no GPU here (nvidia-smi lists none and there is no /dev/nvidia0): nothing was run'
    exit 77
  fi
  [[ -x $programs/cuda_ceilings_bench ]] || { say "no programs in $programs: bench/gpu.sh build makes them" && exit 2; }
  work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
  rm -f "$out"/{machine,tests,sanitizer,bench,twin}.log
  find_cublaslt
  describe 2>&1 | tee "$out/machine.log"
  for part in "${parts[@]}"; do
    case $part in
      tests) run_tests ;;
      bench) run_bench ;;
      twin) run_twin ;;
      sanitize) run_sanitizer ;;
      more) run_more ;;
    esac
  done
  { cat "$out/machine.log" && table "$out"; } >"$out/table.txt"
  grep -h -A3 '^skipped:\|rror' "$out/bench.log" 2>/dev/null | head -n 12
  say "$SECONDS s; logs in $out"
  table "$out"
}

command=${1:---help}
shift || true
case $command in
  build) build "$@" ;;
  run) run "$@" ;;
  table) table "$@" ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
