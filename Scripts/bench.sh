#!/usr/bin/env bash
# Benchmarks the library on this machine.
#
# Usage: Scripts/bench.sh [--quick] [--output FOLDER]
#        Scripts/bench.sh --developer [arguments of 'swift package benchmark']
#   --quick      sizes up to 10^6 and three repeats, to see that everything works
#   --output     where the results go, a new or empty folder (default: report-bench, or report-bench-2, ...)
#   --developer  the micro-benchmarks of the nested package, with baselines: '--developer baseline update main', then
#                '--developer baseline compare main'; and how often a step allocates
#
# Builds the command in release mode and runs 'momentum bench': vectors of 10^3 to 10^9 elements, as far as the memory allows
# (16 GB for 10^9 floats), and the tensors of ResNet-50 and GPT-2, float and double, 1 to all processors, each beside the
# practical limit; then what a parameter costs as their number grows. The folder gets CSV, JSON, a table and pictures. Meant for a quiet machine.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

quick=false
output=
developer=false
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=true ;;
    --output)
      output=${2-}
      [ -n "$output" ] || fail "--output expects a folder"
      shift
      ;;
    --developer)
      developer=true
      shift
      break
      ;;
    -h | --help) help; exit ;;
    *) fail "unknown argument '$1'; see Scripts/bench.sh --help" ;;
  esac
  shift
done

"$root/Scripts/setup.sh"

build() { swift build --package-path "$root" -c release --product momentum; }
step "Building the command (release)" build
momentum="$(swift build --package-path "$root" -c release --show-bin-path)/momentum"

if $developer; then
  cd "$root/Benchmarks"
  step "Building the benchmarks (release)" swift build -c release
  step "Allocations of a step" swift run -c release --skip-build AllocationCount
  step "Micro-benchmarks" swift package --allow-writing-to-package-directory benchmark "$@"
  exit
fi

if [ -z "$output" ]; then
  output=report-bench
  for ((number = 2; ; number++)); do
    [ -e "$output" ] || break
    output=report-bench-$number
  done
fi
if [ -d "$output" ] && [ -n "$(ls -A "$output")" ]; then fail "$output is not empty"; fi
mkdir -p "$output"

counts=(1e3 1e4 1e5 1e6 1e7 1e8 1e9)
models=(--model resnet50 gpt2)
repeats=10
growth=()
if $quick; then
  counts=(1e3 1e4 1e5 1e6)
  models=()
  repeats=3
  growth=(--count 1e3 1e4 1e5 1e6)
fi
processors=$("$momentum" info --json | sed -n 's/^ *"availableProcessorCount" *: *\([0-9]*\),*$/\1/p')
threads=()
for ((number = 1; number < processors; number *= 2)); do threads+=("$number"); done
threads+=("$processors")

# bench NAME ARGUMENT...: the command's table is shown and kept.
bench() {
  local table="$output/$1.txt"
  shift
  "$momentum" bench --repeat "$repeats" "$@" | tee "$table"
}
step "Norms, clips and steps" bench rows --count "${counts[@]}" ${models[@]+"${models[@]}"} --scalar float double \
  --threads "${threads[@]}" --skip-too-large --plots "$output/rows"
step "Growth" bench growth --growth --scalar float --csv "$output/growth.csv" ${growth[@]+"${growth[@]}"}
say "Results: $output"
