#!/usr/bin/env bash
# Looks for faults with random input, for a time.
#
# Usage: Scripts/fuzz.sh files MINUTES
#        Scripts/fuzz.sh steps MINUTES [SEED] [--scenarios N] [--sanitize thread|address] [--build-folder FOLDER]
#   files   feeds the readers of safetensors headers and of indices with libFuzzer, under AddressSanitizer
#   steps   takes random steps: four optimizers that differ in threads, memory, interruptions and kernels have to agree bit for bit,
#           and with a plain loop within a bound
#
# MINUTES may be a fraction. Builds into .build-fuzz at the root of the repository, in release mode.
#
# A finding of 'files' lies in .build-fuzz/findings; to look at it again:
#   .build-fuzz/safetensors-fuzz .build-fuzz/findings/FILE
# A finding of 'steps' names its seed N; to see it again:
#   Scripts/fuzz.sh steps 1 N --scenarios 1
# SEED is the first of the run (default: a random one, which is printed). --sanitize builds with ThreadSanitizer or
# AddressSanitizer, in folders of their own. --build-folder takes the release build of the tests
# (Scripts/test.sh leaves it in .build-release), so that little is left to build.
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in
  -h | --help) help; exit ;;
  files | steps) kind=$1; shift ;;
  *) fail "expected files or steps, not '${1-}'; see --help" ;;
esac
case "${1-}" in -h | --help) help; exit ;; esac
minutes=${1-}
[[ "$minutes" =~ ^[0-9]+(\.[0-9]+)?$ && "$minutes" =~ [1-9] ]] ||
  fail "'$minutes' is not a positive number of minutes; see --help"
shift
build="$root/.build-fuzz"
mkdir -p "$build"

fuzz_files() {
  [ $# -eq 0 ] || fail "unknown argument '$1'; see --help"
  mkdir -p "$build/corpus" "$build/findings"
  echo "Building $build/safetensors-fuzz ..."
  if ! swiftc -O -swift-version 6 -parse-as-library -sanitize=fuzzer,address -package-name swift_momentum \
    -enable-upcoming-feature ExistentialAny -enable-upcoming-feature InternalImportsByDefault \
    -enable-upcoming-feature MemberImportVisibility \
    -module-name SafetensorsFuzz -I "$root/Sources/CMomentumFiles" "$root"/Sources/MomentumFiles/{,Sets/}*.swift \
    "$root/Tests/Fuzz/SafetensorsFuzz.swift" \
    -o "$build/safetensors-fuzz" 2>"$build/compiler.log"; then
    cat "$build/compiler.log" >&2
    echo "The fuzzer could not be built. When the sanitizer runtime is what is missing: it is part of the toolchains of" \
      "swift.org for Linux, as lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a; those of Xcode have none." >&2
    exit 1
  fi
  local seconds
  seconds=$(awk -v minutes="$minutes" 'BEGIN { s = int(minutes * 60 + 0.5); print (s > 0 ? s : 1) }')
  echo "Fuzzing for $seconds seconds, from $(find "$root/Tests/Fuzz/Corpus" -type f | wc -l) seeds and" \
    "$(find "$build/corpus" -type f | wc -l) inputs of earlier runs ..."
  if ! "$build/safetensors-fuzz" "$build/corpus" "$root/Tests/Fuzz/Corpus" \
    -dict="$root/Tests/Fuzz/safetensors.dict" -artifact_prefix="$build/findings/" \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1 >"$build/fuzz.log" 2>&1; then
    tail -n 40 "$build/fuzz.log" >&2
    echo "Found an input the reader cannot bear; it lies in:" >&2
    find "$build/findings" -type f -newer "$build/compiler.log" -print >&2
    exit 1
  fi
  grep -E '^(Done|stat::)' "$build/fuzz.log" || true
  echo "No findings."
}

fuzz_steps() {
  local scratch="$build" how=() options=()
  if [[ "${1-}" =~ ^[0-9]+$ ]]; then
    options+=(--seed "$1")
    shift
  fi
  while [ $# -gt 0 ]; do
    case "$1" in
      --scenarios) options+=(--scenarios "${2-}") ;;
      --sanitize)
        case "${2-}" in
          thread | address) ;;
          *) fail "--sanitize expects thread or address, not '${2-}'" ;;
        esac
        how+=(--sanitize "$2")
        scratch="$build/$2"
        ;;
      # The flags of the tests' build, so that nothing is built anew.
      --build-folder)
        find_tests "$2"
        how+=("${tests_build[@]}")
        scratch="$tests_folder"
        ;;
      *) fail "unknown argument '$1'; see --help" ;;
    esac
    [ $# -ge 2 ] || fail "$1 needs a value; see --help"
    shift 2
  done
  # OpenBLAS is not instrumented, so ThreadSanitizer cannot see how its threads synchronise. AddressSanitizer's search for
  # leaks needs ptrace, which containers refuse.
  mkdir -p "$scratch"
  echo 'race:libopenblas' >"$scratch/tsan.suppressions"
  export TSAN_OPTIONS="suppressions=\"$scratch/tsan.suppressions\" ${TSAN_OPTIONS-}"
  export ASAN_OPTIONS="detect_leaks=0 ${ASAN_OPTIONS-}"
  swift build --package-path "$root" -c release --scratch-path "$scratch" "${strict[@]}" ${how[@]+"${how[@]}"} --product MomentumStepFuzz
  "$scratch/release/MomentumStepFuzz" --minutes "$minutes" ${options[@]+"${options[@]}"}
}

"fuzz_$kind" "$@"
