#!/usr/bin/env bash
# Fuzzes the safetensors reader with libFuzzer and AddressSanitizer.
#
# Usage: Scripts/fuzz.sh [SECONDS]
#   SECONDS   how long (default: 60)
#
# Builds into .build-fuzz at the root of the repository, where it also keeps what it learns between runs. Exits non-zero
# on a finding, whose input then lies in .build-fuzz/findings; to look at it again:
#   .build-fuzz/safetensors-fuzz .build-fuzz/findings/FILE
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in
  -h | --help) help; exit ;;
esac
seconds="${1:-60}"
[[ "$seconds" =~ ^[1-9][0-9]*$ ]] || fail "'$seconds' is not a positive number of seconds; see --help"

build="$root/.build-fuzz"
mkdir -p "$build/corpus" "$build/findings"

echo "Building $build/safetensors-fuzz ..."
if ! swiftc -O -swift-version 6 -parse-as-library -sanitize=fuzzer,address -package-name swift_momentum \
  -enable-upcoming-feature ExistentialAny -enable-upcoming-feature InternalImportsByDefault \
  -enable-upcoming-feature MemberImportVisibility \
  -module-name SafetensorsFuzz -I "$root/Sources/CMomentumFiles" "$root"/Sources/MomentumFiles/*.swift "$root/Tests/Fuzz/SafetensorsFuzz.swift" \
  -o "$build/safetensors-fuzz" 2>"$build/compiler.log"; then
  cat "$build/compiler.log" >&2
  echo "The fuzzer could not be built. When the sanitizer runtime is what is missing: it is part of the toolchains of" \
    "swift.org for Linux, as lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a; those of Xcode have none." >&2
  exit 1
fi

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
